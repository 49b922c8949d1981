// What layers of ResNet-50 take on this machine.
#pragma once

namespace demo {

void measure_resnet50();

}  // namespace demo
