// The legacy platform's design: socket.io with its Redis adapter. node server.js PORT REDIS
import http from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, redis] = process.argv.slice(2);
const pub = createClient({ url: redis });
const sub = pub.duplicate();
await Promise.all([pub.connect(), sub.connect()]);

const server = http.createServer((request, response) => {
  if (request.url !== "/emit") return;
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    for (const [room, payload] of JSON.parse(Buffer.concat(chunks))) io.to(room).emit("conversation.read", payload);
    response.end();
  });
});
const io = new Server(server, { transports: ["websocket"], adapter: createAdapter(pub, sub) });
io.on("connection", (socket) => {
  socket.join("all");
  if (socket.handshake.query.room) socket.join(socket.handshake.query.room);
});
server.listen(Number(port), "127.0.0.1");
