#pragma once

#include <cstdint>

using Integer = int64_t;

// A call of the loss; Call of drift/native/__init__.py is the same.
struct Call {
  Integer generated, targets, features, repelling, clouds;
  const void *cloud[3];  // generated, unconditional where there are any, positive
  Integer samples[3], group_stride[3], row_stride[3];
  const void *weight;  // [B, T]
  Integer temperatures;
  const double *rates;  // -1 / tau
  double floor, clip, close, raw_mask, mask;
  Integer in_kernel;
};
