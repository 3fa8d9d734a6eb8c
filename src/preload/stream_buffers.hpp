// A stream's lock and buffer, as the C library lays them out: what a thread in another rank than 0
// may do itself, since streams and their buffers are shared memory. Nothing here calls the C
// library's code for streams. What is out of the ordinary is not done, and rank 0 is to be asked.
#pragma once

#include <stdio.h>

#include <cstddef>

namespace gallocy::preload {

// Whether it was done. locks: as functions do whose name does not end in _unlocked.
bool put_into_buffer(FILE* stream, const char* bytes, std::size_t size_bytes, bool locks);
bool put_line_into_buffer(FILE* stream, const char* text, std::size_t size_bytes, bool locks);
bool take_from_buffer(FILE* stream, char* bytes, std::size_t size_bytes, bool locks);

// As fgets, room for so many bytes: a line, or what there is room for.
bool take_line_from_buffer(FILE* stream, char* line, std::size_t room_bytes, bool locks);

// As getdelim.
bool take_text_from_buffer(FILE* stream, int delimiter, char*& text, std::size_t& room_bytes,
                           ssize_t& taken_bytes, bool locks);

}  // namespace gallocy::preload
