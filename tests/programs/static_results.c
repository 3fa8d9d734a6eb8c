// What the C library keeps in one object for the whole process is one for threads on all nodes:
// where strtok goes on, and the results of calls that leave them in memory of their own. Threads
// run one after the other; each looks at what the one before it has got.
#include <arpa/inet.h>
#include <grp.h>
#include <locale.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <pwd.h>
#include <search.h>
#include <string.h>
#include <time.h>

#include "in_threads.h"

enum { thread_count = 6 };
static const time_t day_s = 86400;

static char words[] = "one two,three  four;five six";
static struct tm *local, *universal;
static char *stamp, *formatted, *base_64, *ether, *digits;
static struct lconv* conventions;
static struct passwd *user, *next_user, *user_of_file;
static FILE* user_file;
static struct group* members;
static struct servent* service;
static struct protoent* protocol;

static void look(int number) {
  if (local == NULL) return;
  printf("%d sees %04d-%02d-%02d %02d:%02d of both: %d\n", number, local->tm_year + 1900,
         local->tm_mon + 1, local->tm_mday, local->tm_hour, local->tm_min, local == universal);
  printf("%d sees %.24s, the same: %d; %s %s %s '%s'\n", number, stamp, stamp == formatted, base_64,
         ether, digits, conventions->decimal_point);
  printf("%d sees %s %d %s, %s\n", number, user->pw_name, (int)user->pw_uid, user->pw_dir,
         members->gr_name);
  printf("%d sees %s, %s\n", number, next_user->pw_name, user_of_file->pw_name);
  if (service == NULL || protocol == NULL) return;  // a system without the lists of them
  printf("%d sees %s/%s %d, %s %d\n", number, service->s_name, service->s_proto,
         ntohs((uint16_t)service->s_port), protocol->p_name, protocol->p_proto);
}

static void ask(int number) {
  const time_t time = day_s * 365 * (number + 1) + 3600 * number;
  const struct ether_addr of_ether = {{1, 2, 3, 4, 5, (uint8_t)number}};
  int point = 0, sign = 0;
  universal = gmtime(&time);
  stamp = ctime(&time);
  local = localtime(&time);
  formatted = asctime(local);
  base_64 = l64a(1000 + number);
  ether = ether_ntoa(&of_ether);
  digits = ecvt(1.5 * (number + 1), 4, &point, &sign);
  conventions = localeconv();
  user = getpwuid(0);
  members = getgrgid(0);
  next_user = getpwent();
  user_of_file = fgetpwent(user_file);
  service = getservbyname("domain", "udp");
  protocol = getprotobynumber(17);
}

// A table of the process's: one enters, the next one finds.
static void remember(int number) {
  static char keys[thread_count][16];
  sprintf(keys[number], "key %d", number);
  const ENTRY entry = {keys[number], (void*)(intptr_t)number};
  if (hsearch(entry, ENTER) == NULL) printf("%d: no room\n", number);
  if (number == 0) return;
  const ENTRY* found = hsearch((ENTRY){keys[number - 1], NULL}, FIND);
  if (found == NULL || found->data != (void*)(intptr_t)(number - 1)) printf("not found\n");
}

static void* run(void* given) {
  const int number = (int)(intptr_t)given;
  const char* word = strtok(number == 0 ? words : NULL, " ,;");
  printf("%d: %s\n", number, word != NULL ? word : "no more");
  look(number);
  ask(number);
  remember(number);
  return NULL;
}

enum { text_count = 3 };

// Of these each thread has its own, and others see that as long as it lives.
static void get_texts(int number, char** texts) {
  texts[0] = strerror(4000 + number);
  texts[1] = strsignal(100 + number);
  texts[2] = inet_ntoa((struct in_addr){htonl(0x0a000000u + (uint32_t)number)});
}

static void* compare_texts(void* given) {
  char **others = given, *own[text_count];
  get_texts(1, own);
  for (int i = 0; i < text_count; ++i)
    printf("%s, %s, the same: %d\n", others[i], own[i], others[i] == own[i]);
  return NULL;
}

static void one(void* (*function)(void*), void* given) {
  pthread_t thread;
  must(pthread_create(&thread, NULL, function, given));
  must(pthread_join(thread, NULL));
}

int main(void) {
  setenv("TZ", "XYZ-3:30", 1);
  user_file = fopen("/etc/passwd", "r");
  setpwent();
  hcreate(16);
  for (intptr_t i = 0; i < thread_count; ++i) one(run, (void*)i);
  printf("main: %s\n", strtok(NULL, " ,;") != NULL ? "more" : "no more");
  char* texts[text_count];
  endpwent();
  fclose(user_file);
  get_texts(0, texts);
  one(compare_texts, texts);
}
