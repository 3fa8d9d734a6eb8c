// Prints "map NODE INODE" for what each node has mapped in the region: no two nodes may name the
// same inode, or their memory would be one without gallocy.
#include "support.h"

static void* inode_of_region(void* address) {
  const unsigned long inode = inode_of(address);
  ++*(int*)address;  // and the memory is one all the same
  return (void*)inode;
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  int* block = gallocy_malloc(sizeof *block);
  *block = 1;
  unsigned long inodes[64];
  for (int node = 0; node < gallocy_node_count(); ++node) {
    inodes[node] = (unsigned long)run_on(node, inode_of_region, block);
    printf("map %d %lu\n", node, inodes[node]);
    REQUIRE(inodes[node] != 0);
    for (int other = 0; other < node; ++other) REQUIRE(inodes[other] != inodes[node]);
  }
  REQUIRE(*block == 1 + gallocy_node_count());
  printf("OK\n");
  return 0;
}
