// The program's stdin and stdout. The C library's own lie in its data, which are each rank's own;
// so rank 0 makes others of the same descriptors before anybody has used or looked at those, in
// memory that becomes the job's. They come before all others in the C library's list, as its own
// do, so that at the end all are flushed in the same order. Where a descriptor can't be used in
// that way, as if it is closed, they stay as they are.
#pragma once

#include <stdio.h>

namespace gallocy::preload {

struct SharedStreams {
  FILE *in, *out;
};

// Rank 0, before any constructor of the program's.
void make_shared_streams();

void share_streams(SharedStreams& streams);
void take_shared_streams(const SharedStreams& streams);

}  // namespace gallocy::preload
