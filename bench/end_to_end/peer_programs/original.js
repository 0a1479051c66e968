// The original's design: Express, sessions in Postgres, a conversation as a JSON column, Socket.IO with its Redis adapter.
// node original.js PORT POSTGRES REDIS
import http from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import connectPgSimple from "connect-pg-simple";
import express from "express";
import session from "express-session";
import pg from "pg";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, postgres, redis] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: postgres, max: 20 });
const pub = createClient({ url: redis });
const sub = pub.duplicate();
await Promise.all([pub.connect(), sub.connect()]);

const PgStore = connectPgSimple(session);
const signedIn = session({
  store: new PgStore({ pool, disableTouch: true, pruneSessionInterval: false }),
  secret: "bench",
  resave: false,
  saveUninitialized: false,
});

const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.use(express.json());
app.use(signedIn);

app.post("/login", (request, response) => {
  request.session.userId = request.body.user_id;
  response.json({ user_id: request.body.user_id });
});

app.post("/conversations/:phone/messages", async (request, response) => {
  const userId = request.session.userId;
  if (!userId) return response.status(401).json({ error: "unauthenticated" });
  const message = { role: "user", content: request.body.content, timestamp: new Date().toISOString() };
  try {
    await pool.query({
      name: "append",
      text: `insert into conversations (user_id, phone, messages) values ($1, $2, jsonb_build_array($3::jsonb))
             on conflict (user_id, phone) do update set messages = conversations.messages || excluded.messages,
             updated_at = now()`,
      values: [userId, request.params.phone, JSON.stringify(message)],
    });
  } catch (error) {
    return response.status(500).json({ error: String(error) });
  }
  io.to(`user:${userId}`).emit("message", { phone: request.params.phone, message });
  response.status(201).json(message);
});

const server = http.createServer(app);
server.keepAliveTimeout = 75_000;
const io = new Server(server, { transports: ["websocket"], adapter: createAdapter(pub, sub) });
io.engine.use(signedIn);
io.use((socket, next) => (socket.request.session?.userId ? next() : next(new Error("unauthenticated"))));
io.on("connection", (socket) => socket.join(`user:${socket.request.session.userId}`));
server.listen(Number(port), "127.0.0.1");
