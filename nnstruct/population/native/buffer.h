// Aligned memory for vectors, on large pages where it is large.
#pragma once

#include <cstdlib>

#include "vector.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

class Buffer {
  public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { std::free(data_); }
    bool allocate(size_t vectors) {
        size_t bytes = (vectors + 1) * sizeof(Vec), page = 64;
#if defined(__linux__)
        if (bytes >= (1u << 20)) page = 2u << 20;  // fewer, larger pages
#endif
        bytes = (bytes + page - 1) / page * page;
        if (posix_memalign(&data_, page, bytes) != 0) {
            data_ = nullptr;
            return false;
        }
#if defined(__linux__)
        if (page > 64) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
        return true;
    }
    Vec* vectors() const { return static_cast<Vec*>(data_); }

  private:
    void* data_ = nullptr;
};
