// The official client, as docs/realtime-clients.md shows it. Prints one JSON line for each thing it hears.
// A line on stdin is an address to reconnect to.
import readline from "node:readline";
import { io } from "socket.io-client";

const [url, header, transports, token] = process.argv.slice(2);
const say = (what, more) => console.log(JSON.stringify({ what, ...more }));
let lastEventId;

const open = (address) => {
  const socket = io(address, {
    transports: transports.split(","),
    extraHeaders: JSON.parse(header),
    auth: (callback) => callback({ token: token || undefined, last_event_id: lastEventId }),
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
  socket.on("session.ready", (ready) => {
    if (!ready.resumed) lastEventId = ready.last_event_id;
    say("ready", { ready, transport: socket.io.engine.transport.name });
  });
  socket.on("session.closing", ({ reason }) => say("closing", { reason }));
  socket.on("session.cursor", ({ last_event_id }) => { lastEventId = last_event_id; });
  socket.onAny((type, payload) => {
    if (payload?.event_id === undefined) return;
    lastEventId = payload.event_id;
    say("event", { type, seq: payload.data.seq ?? payload.data.message?.seq });
  });
  socket.on("connect_error", (error) => say("refused", { message: error.message }));
  socket.on("disconnect", (reason) => say("disconnect", { reason }));
  socket.io.engine?.on("upgrade", (transport) => say("upgrade", { transport: transport.name }));
  return socket;
};

let socket = open(url);
readline.createInterface({ input: process.stdin }).on("line", (address) => {
  socket.io.engine.close();
  socket.disconnect();
  socket = open(address);
});
