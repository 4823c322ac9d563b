// Runs a program, and whatever it starts, and writes down each path that one of the system calls
// creates, opens to write, changes, renames or removes. A call that fails changes nothing and is
// not written down.
//
//   record_writes FILE PROGRAM ARGUMENT...
//
// The file has a line for each: the word of what was done, and the absolute path, in which no
// folder is a link. A file without a name has the path that the system gives it, FOLDER/#NUMBER.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// A call, and which of its arguments are a folder's descriptor and a path in it. Without a
// descriptor, a relative path begins in the current folder; without a path, the descriptor is the
// file itself. A call that opens has flags, whose place is given too.
enum { NONE = -1 };
static const struct {
  int number, folder, path, flags;
  const char *word;
} watched[] = {
#ifdef SYS_open
    {SYS_open, NONE, 0, 1, "open"},         {SYS_creat, NONE, 0, NONE, "create"},
    {SYS_mkdir, NONE, 0, NONE, "make"},     {SYS_rmdir, NONE, 0, NONE, "remove"},
    {SYS_unlink, NONE, 0, NONE, "remove"},  {SYS_rename, NONE, 0, NONE, "rename"},
    {SYS_rename, NONE, 1, NONE, "rename"},  {SYS_link, NONE, 1, NONE, "link"},
    {SYS_symlink, NONE, 1, NONE, "link"},   {SYS_mknod, NONE, 0, NONE, "make"},
    {SYS_chmod, NONE, 0, NONE, "mode"},     {SYS_chown, NONE, 0, NONE, "mode"},
    {SYS_lchown, NONE, 0, NONE, "mode"},    {SYS_utime, NONE, 0, NONE, "time"},
    {SYS_utimes, NONE, 0, NONE, "time"},    {SYS_futimesat, 0, 1, NONE, "time"},
#endif
#ifdef SYS_renameat
    {SYS_renameat, 0, 1, NONE, "rename"},   {SYS_renameat, 2, 3, NONE, "rename"},
#endif
    {SYS_openat, 0, 1, 2, "open"},          {SYS_openat2, 0, 1, NONE, "open"},
    {SYS_mkdirat, 0, 1, NONE, "make"},      {SYS_unlinkat, 0, 1, NONE, "remove"},
    {SYS_renameat2, 0, 1, NONE, "rename"},  {SYS_renameat2, 2, 3, NONE, "rename"},
    {SYS_linkat, 2, 3, NONE, "link"},       {SYS_symlinkat, 1, 2, NONE, "link"},
    {SYS_mknodat, 0, 1, NONE, "make"},      {SYS_fchmodat, 0, 1, NONE, "mode"},
    {SYS_fchmod, 0, NONE, NONE, "mode"},    {SYS_fchownat, 0, 1, NONE, "mode"},
    {SYS_fchown, 0, NONE, NONE, "mode"},    {SYS_utimensat, 0, 1, NONE, "time"},
    {SYS_truncate, NONE, 0, NONE, "cut"},   {SYS_setxattr, NONE, 0, NONE, "mode"},
    {SYS_lsetxattr, NONE, 0, NONE, "mode"}, {SYS_fsetxattr, 0, NONE, NONE, "mode"},
};
enum { WATCHED = sizeof watched / sizeof watched[0] };

// What each thread's call that is under way would do.
enum { THREADS = 1024, LINES = 2 };
static struct {
  pid_t thread;
  int opens;
  char lines[LINES][PATH_MAX + 16];
} under_way[THREADS];

static void read_text(pid_t thread, unsigned long address, char *text, size_t size) {
  size_t done = 0;
  // A page at a time: the next one may not be there.
  while (done < size - 1) {
    size_t count = 4096 - (address + done) % 4096;
    if (count > size - 1 - done) count = size - 1 - done;
    struct iovec local = {text + done, count}, remote = {(void *)(address + done), count};
    ssize_t read = process_vm_readv(thread, &local, 1, &remote, 1, 0);
    if (read <= 0) break;
    if (memchr(text + done, 0, (size_t)read) != NULL) return;
    done += (size_t)read;
  }
  text[done] = 0;
}

static void read_link(char *target, const char *format, pid_t thread, int descriptor) {
  char link[64];
  snprintf(link, sizeof link, format, thread, descriptor);
  ssize_t length = readlink(link, target, PATH_MAX - 1);
  target[length > 0 ? length : 0] = 0;
}

// The path of a call's argument, absolute and with its folder's links resolved.
static void find_path(char *line, pid_t thread, const __uint64_t *arguments, int index) {
  char given[PATH_MAX] = "", whole[2 * PATH_MAX + 2] = "", folder[PATH_MAX] = "";
  int start = watched[index].folder == NONE ? AT_FDCWD : (int)arguments[watched[index].folder];
  if (watched[index].path != NONE)
    read_text(thread, arguments[watched[index].path], given, sizeof given);
  if (given[0] != '/') {
    if (start == AT_FDCWD)
      read_link(folder, "/proc/%d/cwd", thread, 0);
    else
      read_link(folder, "/proc/%d/fd/%d", thread, start);
  }
  snprintf(whole, sizeof whole, "%s%s%s", folder, given[0] != 0 && given[0] != '/' ? "/" : "",
           given);
  char *name = strrchr(whole, '/'), resolved[PATH_MAX];
  if (name != NULL && name != whole && given[0] != 0) {
    *name = 0;
    const char *found = realpath(whole, resolved);
    snprintf(line, PATH_MAX + 16, "%s %s/%s", watched[index].word, found ? found : whole, name + 1);
  } else {
    snprintf(line, PATH_MAX + 16, "%s %s", watched[index].word, whole);
  }
}

static int place_of(pid_t thread) {
  for (int i = 0; i < THREADS; i++) {
    if (under_way[i].thread == thread) return i;
  }
  for (int i = 0; i < THREADS; i++) {
    if (under_way[i].thread == 0) {
      under_way[i].thread = thread;
      return i;
    }
  }
  fprintf(stderr, "record_writes: too many threads\n");
  exit(70);
}

// A call begins: remembers what it would do. Returns whether it is of interest.
static int begin_call(pid_t thread) {
  struct __ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return 0;
  int place = place_of(thread), count = 0;
  memset(under_way[place].lines, 0, sizeof under_way[place].lines);
  under_way[place].opens = 0;
  for (int i = 0; i < WATCHED && count < LINES; i++) {
    if (watched[i].number != (int)info.seccomp.nr) continue;
    if (watched[i].flags != NONE) {
      int flags = (int)info.seccomp.args[watched[i].flags];
      // O_TMPFILE holds O_RDWR or O_WRONLY besides.
      if ((flags & O_ACCMODE) == O_RDONLY && (flags & (O_CREAT | O_TRUNC)) == 0) continue;
      under_way[place].opens = 1;
    }
    find_path(under_way[place].lines[count++], thread, info.seccomp.args, i);
  }
  if (count == 0) under_way[place].thread = 0;
  return count > 0;
}

static void end_call(pid_t thread, FILE *file) {
  struct __ptrace_syscall_info info;
  int place = place_of(thread);
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) > 0 &&
      info.op == PTRACE_SYSCALL_INFO_EXIT && !info.exit.is_error) {
    if (under_way[place].opens) {
      char path[PATH_MAX];
      read_link(path, "/proc/%d/fd/%d", thread, (int)info.exit.rval);
      fprintf(file, "open %s\n", path);
    } else {
      for (int i = 0; i < LINES && under_way[place].lines[i][0] != 0; i++)
        fprintf(file, "%s\n", under_way[place].lines[i]);
    }
  }
  under_way[place].thread = 0;
}

// Has the system stop this process at the calls of interest.
static int watch(void) {
  struct sock_filter rules[WATCHED + 3];
  int count = 0;
  rules[count++] =
      (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (int i = 0; i < WATCHED; i++) {
    rules[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                  (unsigned)watched[i].number, WATCHED - i, 0);
  }
  rules[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  rules[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
  struct sock_fprog filter = {(unsigned short)count, rules};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

int main(int count, char **arguments) {
  if (count < 3) return 64;
  FILE *file = fopen(arguments[1], "we");
  if (file == NULL) return 73;
  pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(71);
    raise(SIGSTOP);
    if (!watch()) _exit(71);
    execv(arguments[2], arguments + 2);
    _exit(66);
  }
  int status = 0, result = 71;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return 71;
  const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                       PTRACE_O_TRACEVFORK | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SETOPTIONS, child, NULL, options) != 0) return 71;
  ptrace(PTRACE_CONT, child, NULL, NULL);
  for (;;) {
    pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread == child)
        result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      continue;
    }
    int event = status >> 16, signal = WSTOPSIG(status);
    if (event == PTRACE_EVENT_SECCOMP) {
      ptrace(begin_call(thread) ? PTRACE_SYSCALL : PTRACE_CONT, thread, NULL, NULL);
    } else if (signal == (SIGTRAP | 0x80)) {
      end_call(thread, file);
      ptrace(PTRACE_CONT, thread, NULL, NULL);
    } else {
      // A new thread begins stopped; any other signal is the program's own.
      int is_own = event == 0 && signal != SIGSTOP && signal != SIGTRAP;
      ptrace(PTRACE_CONT, thread, NULL, is_own ? signal : 0);
    }
  }
  fclose(file);
  return result;
}
