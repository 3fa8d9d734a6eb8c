// Arrays on the stack of main() and of threads, written by other threads.
#include "in_threads.h"

struct Job {
  int* values;
  int begin, end;
  long result;
};

static void* fill(void* given) {
  struct Job* job = given;
  for (int i = job->begin; i < job->end; ++i) {
    job->values[i] = i * 3;
    job->result += job->values[i];
  }
  return NULL;
}

static void* divide(void* given) {
  struct Job* job = given;
  const int middle = (job->begin + job->end) / 2;
  struct Job parts[2] = {{job->values, job->begin, middle, 0}, {job->values, middle, job->end, 0}};
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) must(pthread_create(&threads[i], NULL, fill, &parts[i]));
  for (int i = 0; i < 2; ++i) must(pthread_join(threads[i], NULL));
  job->result = parts[0].result + parts[1].result;
  return NULL;
}

int main(void) {
  int values[20000];
  struct Job jobs[4];
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) {
    jobs[i] = (struct Job){values, i * 5000, (i + 1) * 5000, 0};
    must(pthread_create(&threads[i], NULL, divide, &jobs[i]));
  }
  long sum = 0, results = 0;
  for (int i = 0; i < 4; ++i) {
    must(pthread_join(threads[i], NULL));
    results += jobs[i].result;
  }
  for (int i = 0; i < 20000; ++i) sum += values[i];
  printf("%ld %ld\n", sum, results);
}
