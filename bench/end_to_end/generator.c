/* Generate load and hear its events: raw HTTP/1.1 requests and raw Socket.IO websockets, one thread, epoll.

   usage: generator PLAN    (see generator.py for the plan's lines and the output)

   Each user has one HTTP connection and one socket. The body of message N of user U holds the marker "m-U-N-", by which
   its answer's event is recognised at that user's socket. Modes:
     most: so many messages in flight; the next one follows when the answer and the event of one have come.
     rate: messages at fixed times, whatever comes back; latencies count from the time at which a message was due. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_MESSAGES 400000 /* of a user */
#define LATE 5.0             /* seconds after which a slot no longer waits for its event */
#define SILENCE 5.0          /* seconds without an event after which the rest counts as lost */

typedef struct {
  char *data;
  size_t length, capacity;
} Buffer;

typedef struct {
  int fd;
  Buffer in, out;
} Connection;

typedef struct {
  char host[64], prefix[256], suffix[64], headers[2048], body_before[256], body_after[256], socket_path[256], hello[2048];
  int port, socket_port, joined, upgraded;
  Connection http, socket;
  int asked;          /* message whose answer is awaited, -1: none */
  double asked_due;   /* when it was due */
  double *queue;      /* times at which waiting messages were due (mode rate) */
  int queue_first, queue_last;
  int sent;           /* messages so far */
  double *due;        /* by message */
  unsigned char *heard, *state; /* state: 1 sent, 2 accepted, 3 refused */
  int last_heard;
  int slot_waits;     /* mode most: this user's slot waits for an answer or an event */
} User;

static User *users;
static int user_count, in_flight_most, size, padding, first_phone;
static double rate, seconds;
static double started, ends, last_event_at;
static long accepted, refused, heard, doubled, out_of_order, statuses, heard_in_time;
static long refused_by[600];
static double *answers, *events;
static long answer_count, event_count;
static int poller, active;
static int next_user, idle_count, *idle;

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static void fail(const char *what, const char *detail) {
  fprintf(stderr, "generator: %s: %s\n", what, detail);
  exit(1);
}

static void append(Buffer *buffer, const char *data, size_t length) {
  if (buffer->length + length + 1 > buffer->capacity) {
    buffer->capacity = 2 * (buffer->length + length) + 1024;
    buffer->data = realloc(buffer->data, buffer->capacity);
  }
  memcpy(buffer->data + buffer->length, data, length);
  buffer->length += length;
  buffer->data[buffer->length] = 0;
}

static void drop(Buffer *buffer, size_t length) {
  buffer->length -= length;
  memmove(buffer->data, buffer->data + length, buffer->length);
  if (buffer->data) buffer->data[buffer->length] = 0;
}

static void flush(Connection *connection) {
  while (connection->out.length) {
    ssize_t written = write(connection->fd, connection->out.data, connection->out.length);
    if (written < 0) {
      if (errno == EAGAIN) return;
      fail("write", strerror(errno));
    }
    drop(&connection->out, written);
  }
}

static void dial(Connection *connection, const char *host, int port, unsigned long long tag) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  connection->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address)) fail("connect", strerror(errno));
  int on = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(connection->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
  epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event);
  connection->in.length = connection->out.length = 0;
}

/* Area codes and exchanges that exist, so that validating systems accept the number. */
static void phone_of(int index, char *phone) {
  static const int areas[] = {212, 213, 312, 415, 617, 702, 305, 404, 503, 206, 214, 303};
  index += first_phone;
  sprintf(phone, "+1%d%03d%04d", areas[index / 800000 % 12], 220 + index / 10000 % 80, index % 10000);
}

static void post(int u, double due) {
  User *user = &users[u];
  if (user->sent >= MOST_MESSAGES) fail("too many messages", "lower the rate or the time");
  int n = user->sent++;
  char phone[24], marker[64], body[4096], head[4096];
  phone_of(n / size, phone);
  int length = sprintf(marker, "m-%d-%d-", u, n);
  int total = sprintf(body, "%s%s", user->body_before, marker);
  for (int i = length; i < padding; i++) body[total++] = 'x';
  total += sprintf(body + total, "%s", user->body_after);
  int head_length = sprintf(head,
      "POST %s%s%s HTTP/1.1\r\nHost: %s:%d\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
      user->prefix, phone, user->suffix, user->host, user->port, user->headers, total);
  append(&user->http.out, head, head_length);
  append(&user->http.out, body, total);
  flush(&user->http);
  user->asked = n;
  user->asked_due = due;
  user->due[n] = due;
  user->state[n] = 1;
}

static void send_frame(User *user, int opcode, const char *text, size_t length) {
  unsigned char head[14] = {0x80 | opcode};
  int head_length = 2;
  if (length < 126) head[1] = 0x80 | length;
  else { head[1] = 0x80 | 126; head[2] = length >> 8; head[3] = length; head_length = 4; }
  head_length += 4; /* a mask of zeros leaves the text as it is */
  append(&user->socket.out, (char *)head, head_length);
  append(&user->socket.out, text, length);
  flush(&user->socket);
}

/* Give the slot to the next user that has none: so every user writes. */
static void next_of_slot(int u) {
  users[u].slot_waits = 0;
  idle[(next_user + idle_count++) % user_count] = u;
  double at = now();
  if (at >= ends) { active--; return; }
  int next = idle[next_user];
  next_user = (next_user + 1) % user_count;
  idle_count--;
  users[next].slot_waits = 1;
  post(next, at);
}

static void slot_may_go_on(int u) {
  User *user = &users[u];
  if (!in_flight_most || !user->slot_waits || user->asked >= 0) return;
  int n = user->sent - 1;
  if (user->heard[n] || user->state[n] == 3) next_of_slot(u);
}

static void answered(int u, int status) {
  User *user = &users[u];
  int n = user->asked;
  if (n < 0) fail("an answer without a request", user->host);
  double at = now();
  user->asked = -1;
  if (status >= 200 && status < 300) {
    accepted++;
    user->state[n] = 2;
    answers[answer_count++] = at - user->asked_due;
  } else {
    refused++;
    refused_by[status < 600 ? status : 0]++;
    user->state[n] = 3;
  }
  if (!in_flight_most && user->queue_first < user->queue_last && at < ends) post(u, user->queue[user->queue_first++]);
  slot_may_go_on(u);
}

static void read_answers(int u) {
  User *user = &users[u];
  for (;;) {
    char *end = user->http.in.data ? strstr(user->http.in.data, "\r\n\r\n") : NULL;
    if (!end) return;
    char *length = strcasestr(user->http.in.data, "\r\ncontent-length:");
    if (!length || length > end) fail("an answer without Content-Length", user->http.in.data);
    size_t total = end + 4 - user->http.in.data + atol(length + 17);
    if (user->http.in.length < total) return;
    int status = atoi(user->http.in.data + 9);
    if (status >= 400 && getenv("SHOW_REFUSED")) fprintf(stderr, "%s\n", user->http.in.data);
    drop(&user->http.in, total);
    answered(u, status);
  }
}

static void event_heard(int u, const char *marker) {
  int of = -1, n = -1;
  if (sscanf(marker, "m-%d-%d-", &of, &n) != 2) return;
  User *user = &users[u];
  if (of != u || n < 0 || n >= user->sent) fail("an event of somebody else's message", marker);
  double at = now();
  last_event_at = at;
  if (user->heard[n]++) { doubled++; return; }
  heard++;
  if (at <= ends) heard_in_time++;
  events[event_count++] = at - user->due[n];
  if (n / size == user->last_heard / size && n < user->last_heard) out_of_order++;
  if (n > user->last_heard) user->last_heard = n;
  slot_may_go_on(u);
}

static void frame_came(int u, int opcode, char *text, size_t length) {
  User *user = &users[u];
  if (opcode == 8) fail("a socket was closed", user->host);
  if (opcode == 9) { send_frame(user, 10, text, length); return; }
  if (!length) return;
  char kept = text[length];
  text[length] = 0;
  if (text[0] == '0') send_frame(user, 1, user->hello, strlen(user->hello));
  else if (text[0] == '2') send_frame(user, 1, "3", 1);
  else if (text[0] == '4' && text[1] == '0') user->joined = 1;
  else if (text[0] == '4' && text[1] == '4') fail("a socket was refused", text);
  else if (text[0] == '4') {
    char *marker = strstr(text, "m-");
    if (strstr(text, "status_changed")) statuses++;
    else if (marker) event_heard(u, marker);
  }
  text[length] = kept;
}

static void read_frames(int u) {
  User *user = &users[u];
  Buffer *in = &user->socket.in;
  if (!user->upgraded) {
    char *end = in->data ? strstr(in->data, "\r\n\r\n") : NULL;
    if (!end) return;
    if (strncmp(in->data, "HTTP/1.1 101", 12)) fail("no websocket", in->data);
    user->upgraded = 1;
    drop(in, end + 4 - in->data);
  }
  size_t at = 0;
  while (in->length - at >= 2) {
    unsigned char *head = (unsigned char *)in->data + at;
    size_t length = head[1] & 127, begin = 2;
    if (length == 126) {
      if (in->length - at < 4) break;
      length = head[2] << 8 | head[3];
      begin = 4;
    } else if (length == 127) {
      if (in->length - at < 10) break;
      length = 0;
      for (int i = 2; i < 10; i++) length = length << 8 | head[i];
      begin = 10;
    }
    if (in->length - at < begin + length) break;
    frame_came(u, head[0] & 15, in->data + at + begin, length);
    at += begin + length;
  }
  drop(in, at);
}

static void receive(unsigned long long tag) {
  int u = tag >> 1, of_socket = tag & 1;
  Connection *connection = of_socket ? &users[u].socket : &users[u].http;
  char data[65536];
  for (;;) {
    ssize_t length = read(connection->fd, data, sizeof data);
    if (length < 0 && errno == EAGAIN) break;
    if (length <= 0) {
      if (of_socket) fail("a socket ended", users[u].host);
      close(connection->fd); /* the server closes a kept connection: a request in flight counts as refused */
      dial(connection, users[u].host, users[u].port, tag);
      if (users[u].asked >= 0) answered(u, 0);
      return;
    }
    append(&connection->in, data, length);
    if ((size_t)length < sizeof data) break;
  }
  if (of_socket) read_frames(u);
  else read_answers(u);
}

static void poll_for(double wait) {
  struct epoll_event found[256];
  if (wait < 0) wait = 0;
  struct timespec time = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - (time_t)wait) * 1e9)};
  int count = epoll_pwait2(poller, found, 256, &time, NULL);
  for (int i = 0; i < count; i++) receive(found[i].data.u64);
}

static void unescape(char *to, const char *from) { /* | stands for a line break */
  for (; *from; from++) {
    if (*from == '|') { *to++ = '\r'; *to++ = '\n'; }
    else *to++ = *from;
  }
  *to = 0;
}

static char *field(char **line) {
  char *found = strsep(line, "\t\n");
  if (!found) fail("plan", "a field is missing");
  return found;
}

static void read_plan(const char *path) {
  FILE *plan = fopen(path, "r");
  char text[16384], *line;
  if (!plan || !fgets(text, sizeof text, plan)) fail("plan", path);
  if (sscanf(text, "%d %lf %lf %d %d %d %d", &user_count, &seconds, &rate, &in_flight_most, &size, &padding, &first_phone) != 7)
    fail("plan", text);
  users = calloc(user_count, sizeof *users);
  idle = calloc(user_count, sizeof *idle);
  for (int u = 0; u < user_count; u++) {
    User *user = &users[u];
    if (!fgets(text, sizeof text, plan)) fail("plan", "a user is missing");
    line = text;
    strcpy(user->host, field(&line));
    user->port = atoi(field(&line));
    strcpy(user->prefix, field(&line));
    strcpy(user->suffix, field(&line));
    unescape(user->headers, field(&line));
    strcpy(user->body_before, field(&line));
    strcpy(user->body_after, field(&line));
    user->socket_port = atoi(field(&line));
    strcpy(user->socket_path, field(&line));
    strcpy(user->hello, field(&line));
    user->asked = user->last_heard = -1;
    user->due = calloc(MOST_MESSAGES, sizeof(double));
    user->queue = calloc(MOST_MESSAGES, sizeof(double));
    user->heard = calloc(MOST_MESSAGES, 1);
    user->state = calloc(MOST_MESSAGES, 1);
  }
  fclose(plan);
}

static void join_all(void) {
  for (int u = 0; u < user_count; u++) {
    User *user = &users[u];
    dial(&user->http, user->host, user->port, 2ull * u);
    dial(&user->socket, user->host, user->socket_port, 2ull * u + 1);
    char request[8192];
    int length = sprintf(request,
        "GET %s HTTP/1.1\r\nHost: %s:%d\r\n%sConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        user->socket_path, user->host, user->socket_port, user->headers);
    append(&user->socket.out, request, length);
    flush(&user->socket);
    double until = now() + 15;
    while (!user->joined) {
      if (now() > until) fail("a socket did not join", user->socket.in.data ? user->socket.in.data : "");
      poll_for(0.1);
    }
  }
}

static void run_most(void) {
  double swept = started;
  for (int u = 0; u < user_count; u++) idle[u] = u;
  idle_count = user_count;
  active = in_flight_most < user_count ? in_flight_most : user_count;
  for (int i = 0; i < active; i++) {
    int u = idle[next_user];
    next_user = (next_user + 1) % user_count;
    idle_count--;
    users[u].slot_waits = 1;
    post(u, now());
  }
  while (active && now() < ends + LATE) {
    poll_for(0.05);
    double at = now();
    if (at - swept < 0.5) continue;
    swept = at;
    for (int u = 0; u < user_count; u++)
      if (users[u].slot_waits && users[u].asked < 0 && at - users[u].due[users[u].sent - 1] > LATE) next_of_slot(u);
  }
}

static void run_rate(void) {
  double due = started;
  int u = 0;
  while (now() < ends) {
    double at = now();
    while (due <= at && due < ends) {
      User *user = &users[u];
      if (user->asked < 0) post(u, due);
      else user->queue[user->queue_last++] = due;
      u = (u + 1) % user_count;
      due += 1 / rate;
    }
    poll_for((due < ends ? due : ends) - now());
  }
}

static long lost(void) {
  long count = 0;
  for (int u = 0; u < user_count; u++)
    for (int n = 0; n < users[u].sent; n++) count += users[u].state[n] == 2 && !users[u].heard[n];
  return count;
}

static int outstanding(void) {
  for (int u = 0; u < user_count; u++)
    if (users[u].asked >= 0) return 1;
  return 0;
}

static int order(const void *a, const void *b) {
  double x = *(double *)a, y = *(double *)b;
  return x < y ? -1 : x > y;
}

static void percentiles(const char *name, double *values, long count) {
  qsort(values, count, sizeof *values, order);
  printf(", \"%s\": [", name);
  double of[] = {0.5, 0.95, 0.99};
  for (int i = 0; i < 3; i++) printf("%s%.2f", i ? ", " : "", count ? values[(long)((count - 1) * of[i])] * 1e3 : 0.0);
  printf("]");
}

int main(int argc, char **argv) {
  if (argc != 2) fail("usage", "generator PLAN");
  poller = epoll_create1(0);
  read_plan(argv[1]);
  answers = malloc(sizeof(double) * 4000000);
  events = malloc(sizeof(double) * 4000000);
  join_all();
  printf("joined\n");
  fflush(stdout);
  getchar(); /* the caller has taken its samples */
  started = last_event_at = now();
  ends = started + seconds;
  if (in_flight_most) run_most();
  else run_rate();
  double done = now();
  printf("done\n");
  fflush(stdout);
  while ((lost() || outstanding()) && now() - last_event_at < SILENCE) poll_for(0.1);
  for (double until = now() + 0.3; now() < until;) poll_for(0.05); /* for what comes twice */
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_utime.tv_usec / 1e6 + used.ru_stime.tv_sec + used.ru_stime.tv_usec / 1e6;
  printf("{\"seconds\": %.3f, \"accepted\": %ld, \"refused\": %ld, \"heard\": %ld, \"heard_in_time\": %ld, \"lost\": %ld, "
         "\"doubled\": %ld, \"out_of_order\": %ld, \"statuses\": %ld, \"cpu\": %.4f",
         (done < ends ? done : ends) - started, accepted, refused, heard, heard_in_time, lost(), doubled, out_of_order, statuses, cpu);
  percentiles("answer", answers, answer_count);
  percentiles("event", events, event_count);
  printf(", \"refusals\": {");
  for (int i = 0, first = 1; i < 600; i++)
    if (refused_by[i]) { printf("%s\"%d\": %ld", first ? "" : ", ", i, refused_by[i]); first = 0; }
  printf("}}\n");
  return 0;
}
