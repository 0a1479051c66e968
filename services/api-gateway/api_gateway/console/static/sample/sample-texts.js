/** What the sample data says. The numbers are those that films use: nobody has them. */
export const NUMBER = "+14155550190";

export const CONTACTS = [
  { phone: "+14155550101", name: "Omar Haddad", tags: ["new"], lines: [["in", "Hi, do you take new patients?"], ["sms", "We do. Would Thursday at 3 pm suit you?"], ["in", "Perfect, see you then."]] },
  { phone: "+14155550102", name: "Yuki Tanaka", tags: ["vip"], lines: [["sms", "Your crown has arrived from the lab."], ["in", "Wunderbar! When can I come in?"]] },
  { phone: "+14155550103", name: "Lena Fischer", tags: ["recall"], lines: [["in", "Can I move my appointment to the afternoon?"], ["note", "She works mornings; offer 4 pm or later."], ["sms", "Of course. 4:30 pm on Wednesday is free."]] },
  { phone: "+14155550104", name: "Samuel Okafor", tags: ["recall"], lines: [["sms", "Your estimate is ready: 240 for the filling."], ["in", "Thanks. Does the insurance cover it?"]] },
  {
    phone: "+14155550105", name: "Grace Hopper", tags: ["recall", "vip"], lines: [
      ["sms", "Hello Grace, this is Brightwater Dental. Your check-up is due; would Tuesday at 10 suit you?"], ["in", "Tuesday is difficult. Is there anything before 9?"],
      ["note", "Prefers mornings. Hygienist can start at 8:15."], ["sms", "We can start at 8:15 on Tuesday. Shall I book it?"], ["in", "Yes please!"],
      ["sms", "Booked: Tuesday, 8:15. We'll remind you the day before."],
    ],
  },
];

/** Recipients of the campaign. */
export const RECALLED = [
  "Ada Nowak", "Ben Carter", "Chloé Martin", "Dmitri Volkov", "Elif Kaya", "Farid Aziz", "Gina Rossi", "Hugo Silva", "Ines Duarte", "Jonas Berg",
  "Karin Holm", "Luca Conti", "Mina Park", "Noah Evans", "Olga Petrova", "Paul Weber", "Quentin Roy", "Rosa Vega", "Sven Dahl", "Tara Singh",
].map((name, index) => ({ name, phone: `+141555501${20 + index}`, tags: ["check-up"] }));

export const CAMPAIGN = {
  name: "Check-up reminders (sample)", template: "Hello {{first_name}}, your check-up is due. Reply with a day that suits you.", audience: { tags: ["check-up"] },
  rate_per_second: 0.5,
};

export const REMINDERS = [
  { hours: 0.01, lead_id: "sample", note: "Call the lab about the crown" },
  { hours: 3, lead_id: "sample", note: "Send Samuel's estimate to the insurer" },
  { hours: 26, lead_id: "sample", note: "Order gloves", recurrence: "FREQ=WEEKLY", time_zone: "UTC" },
];

export const CALLS = [{ hours: 5, contact_phone: "+14155550104", note: "Explain the insurance" }];
