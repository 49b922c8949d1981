"""
Batch normalization and batch renormalization on CPUs: the library librenorm for Julia's arrays.

Names are those of the C functions, without their prefix: [`Renorm.train!`](@ref), [`Renorm.inference!`](@ref),
[`Renorm.backward!`](@ref), ... Each has a form without `!` that makes its results. Nothing is exported.
"""
module Renorm

include("abi.jl")
include("errors.jl")
include("executors.jl")
include("options.jl")
include("call.jl")
include("whole.jl")
include("parts.jl")
include("trace.jl")
include("library.jl")

end
