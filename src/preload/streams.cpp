// Streams: rank 0's C library has them. What threads elsewhere do that takes no more than a buffer
// they do themselves (stream_buffers.hpp); all else they have done there.
#include "preload/streams.hpp"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"
#include "preload/stream_buffers.hpp"

using namespace gallocy;
using namespace gallocy::preload;

namespace {

bool write_here(const void* blocks, size_t size_bytes, size_t count, FILE* stream, bool locks) {
  size_t all_bytes = 0;
  return is_away() && !__builtin_mul_overflow(size_bytes, count, &all_bytes) && all_bytes != 0 &&
         put_into_buffer(stream, static_cast<const char*>(blocks), all_bytes, locks);
}

bool read_here(void* blocks, size_t size_bytes, size_t count, FILE* stream, bool locks) {
  size_t all_bytes = 0;
  return is_away() && !__builtin_mul_overflow(size_bytes, count, &all_bytes) && all_bytes != 0 &&
         take_from_buffer(stream, static_cast<char*>(blocks), all_bytes, locks);
}

bool put_here(int character, FILE* stream, bool locks) {
  const auto byte = static_cast<char>(character);
  return is_away() && put_into_buffer(stream, &byte, 1, locks);
}

bool get_here(int& character, FILE* stream, bool locks) {
  unsigned char byte = 0;
  if (!is_away() || !take_from_buffer(stream, reinterpret_cast<char*>(&byte), 1, locks))
    return false;
  character = byte;
  return true;
}

bool get_line_here(char* line, int room_bytes, FILE* stream, bool locks) {
  return is_away() && room_bytes > 0 &&
         take_line_from_buffer(stream, line, static_cast<size_t>(room_bytes), locks);
}

bool get_text_here(char** text, size_t* room_bytes, int delimiter, FILE* stream, ssize_t& taken) {
  return is_away() && text != nullptr && room_bytes != nullptr &&
         take_text_from_buffer(stream, delimiter, *text, *room_bytes, taken, true);
}

int put_line_here(const char* text, int& written) {
  const size_t size_bytes = is_away() ? ::strlen(text) : 0;
  if (!is_away() || size_bytes >= INT_MAX ||
      !put_line_into_buffer(stdout, text, size_bytes, true))
    return false;
  written = static_cast<int>(size_bytes + 1);
  return true;
}

}  // namespace

// The name is taken under another, since headers declare it in various ways, or not at all.
#define GALLOCY_STREAM_CALL(result, name, ...) \
  namespace { \
  constinit Real<result(__VA_ARGS__)> real_##name(#name); \
  } \
  extern "C" __attribute__((visibility("default"))) result taken_##name(__VA_ARGS__) asm(#name); \
  result taken_##name

#define GALLOCY_WRITES(name, locks) \
  GALLOCY_STREAM_CALL(size_t, name, const void*, size_t, size_t, FILE*) \
  (const void* blocks, size_t size_bytes, size_t count, FILE* stream) { \
    if (write_here(blocks, size_bytes, count, stream, locks)) return count; \
    return by_first(real_##name, blocks, size_bytes, count, stream); \
  }
GALLOCY_WRITES(fwrite, true)
GALLOCY_WRITES(_IO_fwrite, true)
GALLOCY_WRITES(fwrite_unlocked, false)

#define GALLOCY_PUTS_TEXT(name, locks) \
  GALLOCY_STREAM_CALL(int, name, const char*, FILE*)(const char* text, FILE* stream) { \
    if (is_away() && put_into_buffer(stream, text, ::strlen(text), locks)) return 1; \
    return by_first(real_##name, text, stream); \
  }
GALLOCY_PUTS_TEXT(fputs, true)
GALLOCY_PUTS_TEXT(_IO_fputs, true)
GALLOCY_PUTS_TEXT(fputs_unlocked, false)

#define GALLOCY_PUTS_LINE(name) \
  GALLOCY_STREAM_CALL(int, name, const char*)(const char* text) { \
    int written = 0; \
    return put_line_here(text, written) ? written : by_first(real_##name, text); \
  }
GALLOCY_PUTS_LINE(puts)
GALLOCY_PUTS_LINE(_IO_puts)

#define GALLOCY_PUTS_CHARACTER(name, locks) \
  GALLOCY_STREAM_CALL(int, name, int, FILE*)(int character, FILE* stream) { \
    if (put_here(character, stream, locks)) return static_cast<unsigned char>(character); \
    return by_first(real_##name, character, stream); \
  }
GALLOCY_PUTS_CHARACTER(fputc, true)
GALLOCY_PUTS_CHARACTER(putc, true)
GALLOCY_PUTS_CHARACTER(_IO_putc, true)
GALLOCY_PUTS_CHARACTER(fputc_unlocked, false)
GALLOCY_PUTS_CHARACTER(putc_unlocked, false)

#define GALLOCY_PUTS_TO_OUTPUT(name, locks) \
  GALLOCY_STREAM_CALL(int, name, int)(int character) { \
    if (put_here(character, stdout, locks)) return static_cast<unsigned char>(character); \
    return by_first(real_##name, character); \
  }
GALLOCY_PUTS_TO_OUTPUT(putchar, true)
GALLOCY_PUTS_TO_OUTPUT(putchar_unlocked, false)

#define GALLOCY_READS(name, locks) \
  GALLOCY_STREAM_CALL(size_t, name, void*, size_t, size_t, FILE*) \
  (void* blocks, size_t size_bytes, size_t count, FILE* stream) { \
    if (read_here(blocks, size_bytes, count, stream, locks)) return count; \
    return by_first(real_##name, blocks, size_bytes, count, stream); \
  }
GALLOCY_READS(fread, true)
GALLOCY_READS(_IO_fread, true)
GALLOCY_READS(fread_unlocked, false)

#define GALLOCY_READS_CHECKED(name, locks) \
  GALLOCY_STREAM_CALL(size_t, name, void*, size_t, size_t, size_t, FILE*) \
  (void* blocks, size_t room_bytes, size_t size_bytes, size_t count, FILE* stream) { \
    if (count != 0 && size_bytes <= room_bytes / count && \
        read_here(blocks, size_bytes, count, stream, locks)) \
      return count; \
    return by_first(real_##name, blocks, room_bytes, size_bytes, count, stream); \
  }
GALLOCY_READS_CHECKED(__fread_chk, true)
GALLOCY_READS_CHECKED(__fread_unlocked_chk, false)

#define GALLOCY_GETS_CHARACTER(name, locks) \
  GALLOCY_STREAM_CALL(int, name, FILE*)(FILE* stream) { \
    int character = 0; \
    return get_here(character, stream, locks) ? character : by_first(real_##name, stream); \
  }
GALLOCY_GETS_CHARACTER(fgetc, true)
GALLOCY_GETS_CHARACTER(getc, true)
GALLOCY_GETS_CHARACTER(_IO_getc, true)
GALLOCY_GETS_CHARACTER(fgetc_unlocked, false)
GALLOCY_GETS_CHARACTER(getc_unlocked, false)

#define GALLOCY_GETS_FROM_INPUT(name, locks) \
  GALLOCY_STREAM_CALL(int, name, )() { \
    int character = 0; \
    return get_here(character, stdin, locks) ? character : by_first(real_##name); \
  }
GALLOCY_GETS_FROM_INPUT(getchar, true)
GALLOCY_GETS_FROM_INPUT(getchar_unlocked, false)

#define GALLOCY_GETS_LINE(name, locks) \
  GALLOCY_STREAM_CALL(char*, name, char*, int, FILE*) \
  (char* line, int room_bytes, FILE* stream) { \
    if (get_line_here(line, room_bytes, stream, locks)) return line; \
    return by_first(real_##name, line, room_bytes, stream); \
  }
GALLOCY_GETS_LINE(fgets, true)
GALLOCY_GETS_LINE(_IO_fgets, true)
GALLOCY_GETS_LINE(fgets_unlocked, false)

#define GALLOCY_GETS_LINE_CHECKED(name, locks) \
  GALLOCY_STREAM_CALL(char*, name, char*, size_t, int, FILE*) \
  (char* line, size_t known_bytes, int room_bytes, FILE* stream) { \
    if (room_bytes > 0 && static_cast<size_t>(room_bytes) <= known_bytes && \
        get_line_here(line, room_bytes, stream, locks)) \
      return line; \
    return by_first(real_##name, line, known_bytes, room_bytes, stream); \
  }
GALLOCY_GETS_LINE_CHECKED(__fgets_chk, true)
GALLOCY_GETS_LINE_CHECKED(__fgets_unlocked_chk, false)

#define GALLOCY_GETS_TEXT(name) \
  GALLOCY_STREAM_CALL(ssize_t, name, char**, size_t*, int, FILE*) \
  (char** text, size_t* room_bytes, int delimiter, FILE* stream) { \
    ssize_t taken = 0; \
    if (get_text_here(text, room_bytes, delimiter, stream, taken)) return taken; \
    return by_first(real_##name, text, room_bytes, delimiter, stream); \
  }
GALLOCY_GETS_TEXT(getdelim)
GALLOCY_GETS_TEXT(__getdelim)

GALLOCY_STREAM_CALL(ssize_t, getline, char**, size_t*, FILE*)
(char** text, size_t* room_bytes, FILE* stream) {
  ssize_t taken = 0;
  if (get_text_here(text, room_bytes, '\n', stream, taken)) return taken;
  return by_first(real_getline, text, room_bytes, stream);
}

namespace {

// As the C library has its own: where the descriptor stands, it looks when it needs to know.
void replace(FILE*& standard, int fd, const char* mode) {
  const client::ErrnoKeeper keeper;
  FILE* made = ::fdopen(fd, mode);
  if (made == nullptr) return;
  made->_offset = -1;
  standard = made;
}

}  // namespace

void preload::make_shared_streams() {
  replace(stdin, STDIN_FILENO, "r");
  replace(stdout, STDOUT_FILENO, "w");
}

void preload::share_streams(SharedStreams& streams) { streams = {stdin, stdout}; }

void preload::take_shared_streams(const SharedStreams& streams) {
  stdin = streams.in;
  stdout = streams.out;
}
