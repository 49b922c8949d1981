# The library itself: version, instruction sets.

"The version of the library that is loaded."
function version()
    major, rest = divrem(C.renorm_version(), 10000)
    return VersionNumber(major, divrem(rest, 100)...)
end

"One line: version, compiler, instruction sets of this build."
build_info() = unsafe_string(C.renorm_build_info())

"""
    Renorm.ISA(value)

An instruction set, by its value in the header (`Renorm.C.RENORM_ISA_...`); `string(isa)` is its name.
"""
struct ISA
    value::Int32
end
Base.print(io::IO, isa::ISA) = print(io, unsafe_string(C.renorm_isa_name(isa.value)))

"The best instruction set of this build that the processor has."
best_isa() = ISA(C.renorm_best_isa())

"The instruction set that the next call will use."
active_isa() = ISA(C.renorm_active_isa())

"""
    Renorm.set_max_isa(isa)

Bounds the choice of instruction set for all later calls of the process, up or down; the processor remains the upper bound.
"""
set_max_isa(isa::ISA) = check(C.renorm_set_max_isa(isa.value))
