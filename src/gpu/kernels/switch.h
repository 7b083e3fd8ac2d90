// From one stack to another: a few instructions where we know the processor, `ucontext` elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define CACHAT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHAT_ASAN 1
#endif
#endif

#if defined(CACHAT_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define CACHAT_POISON(at, bytes) __asan_poison_memory_region(at, bytes)
#define CACHAT_UNPOISON(at, bytes) __asan_unpoison_memory_region(at, bytes)
#define CACHAT_UNCHECKED __attribute__((no_sanitize_address, noinline))
#else
#define CACHAT_POISON(at, bytes) ((void)0)
#define CACHAT_UNPOISON(at, bytes) ((void)0)
#define CACHAT_UNCHECKED __attribute__((noinline))
#endif

#if !defined(__x86_64__) && !defined(__aarch64__)
#define CACHAT_UCONTEXT 1
#include <ucontext.h>
#endif

namespace cachat {

struct Context {
  void *top;  // of what is saved, on the stack itself
#if defined(CACHAT_UCONTEXT)
  ucontext_t saved;
#endif
  // For the address sanitizer.
  const void *bottom;
  size_t bytes;
  void *fake;
};

#if defined(CACHAT_UCONTEXT)
static inline void jump(Context *from, Context *to) { swapcontext(&from->saved, &to->saved); }
static inline void lay_out(Context *c, void *stack, size_t bytes, void (*entry)()) {
  getcontext(&c->saved);
  c->saved.uc_stack.ss_sp = stack;
  c->saved.uc_stack.ss_size = bytes;
  c->saved.uc_link = nullptr;
  makecontext(&c->saved, entry, 0);
}
#else
// Saves what a called function must keep, its stack's top in `*from`, and returns on the other stack.
extern "C" __attribute__((visibility("hidden"))) void cachat_switch(void **from, void *to) __asm__("cachat_switch");
#if defined(__x86_64__)
__asm__(
    ".text\n.p2align 4\ncachat_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n");
const size_t SAVED = 8, RETURN = 6;
#else
__asm__(
    ".text\n.p2align 4\ncachat_switch:\n"
    "  sub sp, sp, #160\n"
    "  stp x19, x20, [sp]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n"
    "  stp x25, x26, [sp, #48]\n  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n"
    "  stp d14, d15, [sp, #144]\n"
    "  mov x9, sp\n  str x9, [x0]\n  mov sp, x1\n"
    "  ldp x19, x20, [sp]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n"
    "  ldp x25, x26, [sp, #48]\n  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
    "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n"
    "  ldp d14, d15, [sp, #144]\n"
    "  add sp, sp, #160\n  ret\n");
const size_t SAVED = 20, RETURN = 11;
#endif
static inline void jump(Context *from, Context *to) { cachat_switch(&from->top, to->top); }
// As if `entry` had been about to run when the stack was left.
static inline void lay_out(Context *c, void *stack, size_t bytes, void (*entry)()) {
  uintptr_t *top = (uintptr_t *)(((uintptr_t)stack + bytes) & ~(uintptr_t)15) - SAVED;
  for (size_t i = 0; i < SAVED; i++) top[i] = 0;
  top[RETURN] = (uintptr_t)entry;
  c->top = top;
}
#endif

static inline void prepare(Context *c, void *stack, size_t bytes, void (*entry)()) {
  CACHAT_UNPOISON(stack, bytes);
  lay_out(c, stack, bytes, entry);
  c->bottom = stack;
  c->bytes = bytes;
  c->fake = nullptr;
}

#if defined(CACHAT_ASAN)
// Whom to tell where its stack lies: who has just been left.
static thread_local Context *left;
static inline void landed(void *fake) {
  const void *bottom;
  size_t bytes;
  __sanitizer_finish_switch_fiber(fake, &bottom, &bytes);
  if (left) left->bottom = bottom, left->bytes = bytes;
}
CACHAT_UNCHECKED static void change_over(Context *from, Context *to) {
  left = from;
  __sanitizer_start_switch_fiber(&from->fake, to->bottom, to->bytes);
  jump(from, to);
  landed(from->fake);
}
CACHAT_UNCHECKED static void arrive() { landed(nullptr); }
[[noreturn]] CACHAT_UNCHECKED static void leave_for(Context *to) {
  Context gone;
  left = nullptr;
  __sanitizer_start_switch_fiber(nullptr, to->bottom, to->bytes);
  jump(&gone, to);
  __builtin_unreachable();
}
#else
static inline void change_over(Context *from, Context *to) { jump(from, to); }
static inline void arrive() {}
[[noreturn]] static inline void leave_for(Context *to) {
  Context gone;
  jump(&gone, to);
  __builtin_unreachable();
}
#endif

}  // namespace cachat
