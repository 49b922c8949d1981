#pragma once

#include <Eigen/Dense>

namespace digits {

// A row for each image of a batch. The library calls this layout NHWC with s = 1.
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

}  // namespace digits
