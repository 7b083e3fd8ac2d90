// A group's threads as fibers of one thread of the host: they run in an order drawn by chance, and change
// over only where they meet. What a GPU would leave hanging or undefined ends the launch with a message.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "switch.h"

namespace cachat {

const u32 MOST_THREADS = 1024;
const u32 DECLARED = 48 << 10;  // most that a kernel may declare by `SHARED`
const u32 ARENA = 227 << 10;    // most with what the launch asks for
const u32 MOST_SITES = 64;
const u32 GAP = 32;  // between arrays, never theirs
const size_t STACK = 64 << 10;

enum State : u8 { FRESH, READY, RUNNING, IN_GROUP, IN_WARP, ENDED };

// 16 bytes that are on their way, behind so many ends.
struct Copy {
  void *to;
  const void *from;
  u32 ends;
};

struct Fiber {
  Context context;
  u8 *stack;
  const char *at;  // where it waits
  State state;
  u8 turn;  // which of two buffers its next exchange uses
  std::vector<Copy> copies;
  u32 ends;  // of copies so far
};

// What a warp's lanes hand each other. Two of each: who is ahead writes into the other one, and cannot be
// ahead by two, as all meet in between.
struct Warp {
  u32 waiting, ended;
  const char *at;
  u64 lanes[2][32];
  float floats[2][32];
  float left[2][16][16], right[2][16][8], product[2][16][8];
};

struct Machine {
  u32 thread, threads, group[3], groups[3];
  void (*body)(const void *);
  const void *arguments;
  u64 chance;

  u8 *arena;
  u32 used, declared, promised, filled, sites;
  struct {
    const void *key;
    u32 at;
  } site[MOST_SITES];

  u32 waiting, ended, runnable;
  const char *at;
  u32 ready[MOST_THREADS];
  Fiber fibers[MOST_THREADS];
  Warp warps[MOST_THREADS / 32];
  std::vector<u8 *> stacks;  // that no fiber has
  std::vector<u32> order;
  Context outside;
  bool failed;
  char error[512];
};

// Who is running; a launch stays on the thread that made it.
#if defined(__linux__)
static thread_local Machine *here __attribute__((tls_model("initial-exec")));
#else
static thread_local Machine *here;
#endif

static inline u64 draw(Machine *m) {
  m->chance ^= m->chance << 13;
  m->chance ^= m->chance >> 7;
  m->chance ^= m->chance << 17;
  return m->chance;
}
static inline u32 draw_below(Machine *m, u32 n) { return (u32)((draw(m) >> 32) * (u64)n >> 32); }

// Ends the launch: the other fibers stay where they are.
[[noreturn]] static void fail(Machine *m, const char *format, ...) {
  int n = snprintf(m->error, sizeof m->error, "thread %u of group (%u, %u, %u): ", m->thread, m->group[0],
                   m->group[1], m->group[2]);
  va_list rest;
  va_start(rest, format);
  vsnprintf(m->error + n, sizeof m->error - n, format, rest);
  va_end(rest);
  m->failed = true;
  leave_for(&m->outside);
}

static void entry();

static u8 *take_stack(Machine *m) {
  if (m->stacks.empty()) {
    // Below each stack lies a page that nobody may touch.
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *at = mmap(nullptr, page + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (at == MAP_FAILED) fail(m, "there is no memory for its stack");
    mprotect(at, page, PROT_NONE);
    return (u8 *)at + page;
  }
  u8 *stack = m->stacks.back();
  m->stacks.pop_back();
  return stack;
}

// The next thread to run, which becomes the present one.
static u32 pick(Machine *m, const char *at) {
  if (m->runnable == 0) fail(m, "the group is stuck: it waits at %s, others wait elsewhere", at);
  u32 i = draw_below(m, m->runnable), t = m->ready[i];
  m->ready[i] = m->ready[--m->runnable];
  m->thread = t;
  return t;
}

static void wake(Machine *m, u32 first, u32 count) {
  for (u32 t = first; t < first + count; t++) {
    m->fibers[t].state = READY;
    m->ready[m->runnable++] = t;
  }
}

// Lets others run until this thread is picked again.
static void rest(Machine *m, u32 t, const char *at) {
  u32 next = pick(m, at);
  if (next != t) {
    Fiber &to = m->fibers[next];
    if (to.state == FRESH) {
      to.stack = take_stack(m);
      prepare(&to.context, to.stack, STACK, entry);
    }
    to.state = RUNNING;
    change_over(&m->fibers[t].context, &to.context);
  }
  m->fibers[t].state = RUNNING;
}

static void same_place(Machine *m, const char *there, const char *at) {
  if (there != at && strcmp(there, at) != 0)
    fail(m, "divergent rendezvous: it is at %s, others wait at %s", at, there);
}

static __attribute__((noinline)) void meet_group(const char *at) {
  Machine *m = here;
  u32 t = m->thread;
  if (m->ended > 0) fail(m, "divergent rendezvous: it is at %s, %u threads have ended", at, m->ended);
  if (m->waiting > 0) same_place(m, m->at, at);
  m->at = at;
  m->fibers[t].state = IN_GROUP;
  if (++m->waiting == m->threads) {
    m->waiting = 0;
    wake(m, 0, m->threads);
  }
  rest(m, t, at);
}

static __attribute__((noinline)) void meet_warp(const char *at) {
  Machine *m = here;
  u32 t = m->thread;
  Warp &warp = m->warps[t / 32];
  if (warp.ended > 0) fail(m, "divergent rendezvous: it is at %s, %u of its warp have ended", at, warp.ended);
  if (warp.waiting > 0) same_place(m, warp.at, at);
  warp.at = at;
  m->fibers[t].state = IN_WARP;
  if (++warp.waiting == 32) {
    warp.waiting = 0;
    wake(m, t / 32 * 32, 32);
  }
  rest(m, t, at);
}

// An exchange within a warp: write, meet, read.
struct Exchange {
  Machine *m;
  Warp &warp;
  u32 lane, turn;
  const char *what;
  explicit Exchange(const char *what)
      : m(here), warp(m->warps[m->thread / 32]), lane(m->thread % 32), what(what) {
    turn = m->fibers[m->thread].turn;
    m->fibers[m->thread].turn ^= 1;
  }
  bool last() const { return warp.waiting == 31; }
  void meet() const { meet_warp(what); }
};

static __attribute__((noinline)) void *shared(const void *key, size_t bytes, const char *name) {
  Machine *m = here;
  for (u32 i = 0; i < m->sites; i++)
    if (m->site[i].key == key) return m->arena + m->site[i].at;
  m->declared += (bytes + 15) / 16 * 16;
  if (m->sites == MOST_SITES || bytes > DECLARED || m->declared > DECLARED)
    fail(m, "%s does not fit into the %u KiB that a kernel may declare", name, DECLARED >> 10);
  if (m->declared > m->promised) fail(m, "%s does not fit into the %u bytes that its KERNEL says", name, m->promised);
  u32 at = (m->used + 15) / 16 * 16 + GAP;
  m->site[m->sites++] = {key, at};
  m->used = at + bytes;
  CACHAT_UNPOISON(m->arena + at, bytes);
  return m->arena + at;
}

// A fiber runs thread after thread until one that has its own stack is next.
CACHAT_UNCHECKED static void entry() {
  arrive();
  Machine *m = here;
  for (;;) {
    m->body(m->arguments);
    u32 t = m->thread;
    Fiber &mine = m->fibers[t];
    Warp &warp = m->warps[t / 32];
    mine.state = ENDED;
    m->ended++;
    warp.ended++;
    if (m->waiting > 0) fail(m, "divergent rendezvous: it ended, others wait at %s", m->at);
    if (warp.waiting > 0) fail(m, "divergent rendezvous: it ended, others of its warp wait at %s", warp.at);
    if (m->ended == m->threads) {
      m->stacks.push_back(mine.stack);
      leave_for(&m->outside);
    }
    Fiber &next = m->fibers[pick(m, "its end")];
    if (next.state == FRESH) {
      next.stack = mine.stack;
      next.state = RUNNING;
      continue;
    }
    m->stacks.push_back(mine.stack);
    next.state = RUNNING;
    leave_for(&next.context);
  }
}

static void run_group(Machine *m, u32 shared) {
  CACHAT_UNPOISON(m->arena, m->filled);
  memset(m->arena, 0xff, m->filled);
  CACHAT_POISON(m->arena + shared, ARENA + (MOST_SITES + 2) * 2 * GAP - shared);
  m->used = shared;
  m->declared = m->sites = m->waiting = m->ended = m->runnable = 0;
  for (u32 w = 0; w < m->threads / 32; w++) m->warps[w].waiting = m->warps[w].ended = 0;
  for (u32 t = 0; t < m->threads; t++) {
    m->fibers[t].state = FRESH;
    m->fibers[t].turn = 0;
    m->fibers[t].stack = nullptr;
    m->fibers[t].copies.clear();
    m->fibers[t].ends = 0;
    m->ready[t] = t;
  }
  m->runnable = m->threads;
  Fiber &first = m->fibers[pick(m, "its start")];
  first.stack = take_stack(m);
  first.state = RUNNING;
  prepare(&first.context, first.stack, STACK, entry);
  change_over(&m->outside, &first.context);
  m->filled = m->used > m->filled ? m->used : m->filled;
  if (!m->failed && m->declared + shared > ARENA)
    m->failed = snprintf(m->error, sizeof m->error, "it shares more than %u KiB", ARENA >> 10) > 0;
}

static Machine *machine() {
  Machine *m = new Machine();
  m->filled = ARENA + (MOST_SITES + 2) * 2 * GAP;
  m->arena = (u8 *)::operator new(m->filled, std::align_val_t(128));
  return m;
}

// Every group of a grid, one after the other. What went wrong, or null; the text lasts until this thread's
// next launch.
static const char *run(const char *name, void (*body)(const void *), const void *arguments, const u32 *grid,
                       u32 threads, u32 bound, u32 promised, u32 shared, u64 seed) {
  static std::mutex lock;
  static std::vector<Machine *> idle;
  static thread_local char error[640];
  u64 groups = (u64)grid[0] * grid[1] * grid[2];
  if (threads == 0 || threads % 32 != 0 || threads > bound || groups == 0 || grid[1] > 65535 ||
      grid[2] > 65535 || groups > 1u << 28 || shared > ARENA) {
    snprintf(error, sizeof error, "%s: no launch of %u x %u x %u groups of %u threads that share %u bytes",
             name, grid[0], grid[1], grid[2], threads, shared);
    return error;
  }
  Machine *m = nullptr;
  {
    std::lock_guard<std::mutex> hold(lock);
    if (!idle.empty()) m = idle.back(), idle.pop_back();
  }
  if (m == nullptr) m = machine();
  // Neighbouring seeds give unlike orders, and none gives the zero that stays zero.
  m->chance = (seed + 1) * 0x9e3779b97f4a7c15ull;
  if (m->chance == 0) m->chance = 1;
  for (int i = 0; i < 8; i++) draw(m);
  m->body = body, m->arguments = arguments, m->threads = threads, m->promised = promised, m->failed = false;
  for (int i = 0; i < 3; i++) m->groups[i] = grid[i];
  m->order.resize(groups);
  for (u32 i = 0; i < groups; i++) {
    u32 j = draw_below(m, i + 1);
    m->order[i] = m->order[j];
    m->order[j] = i;
  }
  here = m;
  for (u32 i = 0; i < groups && !m->failed; i++) {
    u32 g = m->order[i];
    m->group[0] = g % grid[0], m->group[1] = g / grid[0] % grid[1], m->group[2] = g / grid[0] / grid[1];
    run_group(m, shared);
  }
  here = nullptr;
  bool failed = m->failed;
  if (failed) {
    snprintf(error, sizeof error, "%s: %s", name, m->error);
    // Stacks of those that were left waiting.
    for (u32 t = 0; t < threads; t++)
      if (m->fibers[t].stack && m->fibers[t].state != ENDED && m->fibers[t].state != FRESH)
        m->stacks.push_back(m->fibers[t].stack);
  }
  std::lock_guard<std::mutex> hold(lock);
  idle.push_back(m);
  return failed ? error : nullptr;
}

}  // namespace cachat
