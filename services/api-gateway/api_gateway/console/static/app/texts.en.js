/** The English texts, by feature. A text with parts is a function of them. */
const count = (number, one, many) => `${new Intl.NumberFormat("en").format(number)} ${number === 1 ? one : many}`;

export default {
  pages: {
    inbox: "Inbox", contacts: "Contacts", campaigns: "Campaigns", calendar: "Calendar", files: "Files",
    notifications: "Notifications", settings: "Settings",
  },
  shell: {
    opening: "Opening Switchboard…", navigation: "Main", skip: "Skip to the content", signOut: "Sign out", unread: "unread",
    dismiss: "Dismiss", close: "Close", cancel: "Cancel", save: "Save", delete: "Delete", again: "Try again", working: "One moment…",
    more: "Show more", saved: "Saved.", edit: "Edit", copy: "Copy",
  },
  banners: {
    reconnecting: "The connection is lost; reconnecting. What you see may be out of date, what you type is kept.",
    connecting: "Connecting…",
    reloaded: "The server lost track of what this page had seen, so everything was read again.",
    outdated: "A newer version of this page is there.", reload: "Reload",
    trialExpired: "The trial has ended: everything can be read, nothing changed. The owner can extend it in Settings.",
    trialEnds: (day) => `The trial ends on ${day}.`,
    clock: (minutes) => `This computer's clock is wrong by ${count(minutes, "minute", "minutes")}. Times are shown as the server has them.`,
  },
  problems: {
    unreachable: "The server can't be reached. Check the network and try again.",
    bug: "Something in this page went wrong. Reload it and try again.",
    fields: (list) => `(${list})`,
    byCode: {
      cancelled: "Cancelled.",
      trial_expired: "The trial has ended, so nothing can be changed. The owner can extend it in Settings.",
      upstream_lost: "The server gave no answer, so it isn't known whether this was done. Look before you try again.",
      upstream_timeout: "The server took too long, so it isn't known whether this was done. Look before you try again.",
      too_many_requests: "Too many attempts. Wait a little and try again.",
      unavailable: "This part of the server is away just now. Try again in a moment.",
      busy: "The server has more to do than it can take. Try again in a moment.",
    },
  },
  signIn: {
    title: "Sign in", email: "Email", password: "Password", submit: "Sign in", noAccount: "New here?",
    promise: "Any process can be killed at any moment, and nothing is lost, doubled or noticed.",
    ended: {
      unknown: "You have been signed out. Sign in again; what you typed is kept.", logout: "You signed out in another window.",
      revoked: "This session was ended from elsewhere. Sign in again; what you typed is kept.",
      password_changed: "The password was changed, which ended this session. Sign in with the new one.",
      disabled: "This account has been disabled. Ask an administrator of your company.",
      expired: "The session has expired. Sign in again; what you typed is kept.",
    },
  },
  signUp: {
    title: "Create an account", company: "Company", name: "Your name", passwordHint: "At least 8 characters.", submit: "Create account",
    haveAccount: "Have an account?",
  },
  invitation: {
    haveOne: "I have an invitation", title: "Accept an invitation", token: "Invitation code", submit: "Join",
    hint: "The code that whoever invited you has passed on.",
  },
  inbox: {
    conversations: "Conversations", messages: "Messages", choose: "Choose a conversation.", search: "Search by name or number",
    compose: "New conversation", none: "No conversations yet.", nothingFound: "Nothing found.", you: "You:", noteShort: "Note:",
    unread: (number) => `${number} unread`, conversationWith: (name) => `Conversation with ${name}`, back: "Back to the conversations",
    contact: "Contact", older: "Older messages", noMessages: "No messages yet. Write the first one.",
    typing: (names) => `${names} typing…`, viewing: (names) => `${names} also looking`, colleague: "A colleague",
    kinds: { in: "From the contact", out: "Sent", note: "Note" },
    statuses: { queued: "Queued", sent: "Sent", delivered: "Delivered", read: "Read", failed: "Failed", uncertain: "Uncertain", received: "" },
    reasons: { opted_out: "the contact has opted out", consent_revoked: "the contact has opted out" },
    sending: "Sending…", noAnswer: "No answer: not known whether it was stored", discard: "Discard", takenBack: "Your text is back in the field.",
    channel: "Send as", channels: { sms: "SMS", note: "Internal note" }, write: "Write a message", writeNote: "Write a note that only colleagues see",
    send: "Send", addNote: "Add note", attach: "Attach a file", removeAttachment: (name) => `Remove ${name}`,
    willBeRefused: "The contact has opted out: a message would be refused.",
    segments: (segments, left, unicode) => `${count(segments, "SMS", "SMS")}, ${left} left${unicode ? " (Unicode)" : ""}`,
    number: "Phone number", numberHint: "With the country's code, such as +1 415 555 0132.", open: "Open",
  },
  contacts: { optedOut: "Opted out" },
};
