"""
The C ABI, name by name and in the order of `include/renorm/renorm.h`, which is its manual. A field or constant that the header
appends is appended here; the tests compare sizes, offsets and values with what a C compiler says.
"""
module C

const librenorm = "librenorm.so.0"

const RENORM_OK = Int32(0)
const RENORM_ERROR_NULL = Int32(-1)
const RENORM_ERROR_STRUCT_SIZE = Int32(-2)
const RENORM_ERROR_VALUE = Int32(-3)
const RENORM_ERROR_UNSUPPORTED = Int32(-4)
const RENORM_ERROR_OVERFLOW = Int32(-5)
const RENORM_ERROR_ALIAS = Int32(-6)
const RENORM_ERROR_WORKSPACE = Int32(-7)
const RENORM_ERROR_OUT_OF_MEMORY = Int32(-8)
const RENORM_ERROR_ISA = Int32(-9)

const RENORM_NCHW = Int32(1)
const RENORM_NHWC = Int32(2)

const RENORM_GROUPS_CONTIGUOUS = Int32(0)
const RENORM_GROUPS_INTERLEAVED = Int32(1)

const RENORM_MASK_NONE = Int32(0)
const RENORM_MASK_BYTES = Int32(1)
const RENORM_MASK_LENGTHS = Int32(2)

const RENORM_EPILOGUE_NONE = Int32(0)
const RENORM_EPILOGUE_RELU = Int32(1)
const RENORM_EPILOGUE_ADD = Int32(2)
const RENORM_EPILOGUE_ADD_RELU = Int32(3)

const RENORM_F32 = Int32(1)
const RENORM_F64 = Int32(2)

const RENORM_ISA_NONE = Int32(0)
const RENORM_ISA_SCALAR = Int32(1)
const RENORM_ISA_SSE2 = Int32(16)
const RENORM_ISA_AVX2 = Int32(17)
const RENORM_ISA_AVX512 = Int32(18)
const RENORM_ISA_NEON64 = Int32(32)

const RENORM_OP_TRAIN = Int32(1)
const RENORM_OP_INFERENCE = Int32(2)
const RENORM_OP_BACKWARD = Int32(3)
const RENORM_OP_INFERENCE_BACKWARD = Int32(4)
const RENORM_OP_MOMENTS = Int32(5)
const RENORM_OP_MERGE = Int32(6)
const RENORM_OP_UPDATE_RUNNING = Int32(7)
const RENORM_OP_CORRECTION = Int32(8)
const RENORM_OP_COEFFICIENTS = Int32(9)
const RENORM_OP_APPLY = Int32(10)
const RENORM_OP_BACKWARD_REDUCE = Int32(11)
const RENORM_OP_BACKWARD_APPLY = Int32(12)
const RENORM_OP_FOLD = Int32(13)

const RENORM_FLAG_BATCH_RENORM = UInt32(1)
const RENORM_FLAG_TRACK_SIGMA = UInt32(2)
const RENORM_FLAG_UNBIASED = UInt32(4)
const RENORM_FLAG_UNBIASED_RUNNING = UInt32(8)
const RENORM_FLAG_KEEP_RUNNING = UInt32(16)
const RENORM_FLAG_CUMULATIVE = UInt32(32)
const RENORM_FLAG_RMIN = UInt32(64)
const RENORM_FLAG_SKIP_NONFINITE = UInt32(128)

const RENORM_EXPLAIN_BYTES = Int32(1024)

"A struct whose fields are 0 unless given by keyword; `struct_size` is set."
macro zeroed(definition)
    _, name, body = definition.args
    body.args = map(body.args) do field
        field isa LineNumberNode && return field
        name_of, type = field.args
        :($field = $(name_of == :struct_size ? :(sizeof($name)) : :($type(0))))
    end
    return esc(:(Base.@kwdef $definition))
end

@zeroed struct renorm_desc
    struct_size::UInt32
    flags::UInt32
    layout::Int32
    dtype::Int32
    out_dtype::Int32
    param_dtype::Int32
    stats_dtype::Int32
    epilogue::Int32
    n::Int64
    c::Int64
    s::Int64
    groups::Int64
    group_order::Int32
    mask_kind::Int32
    eps::Float64
    momentum::Float64
    rmin::Float64
    rmax::Float64
    dmax::Float64
end

@zeroed struct renorm_exec
    struct_size::UInt32
    flags::UInt32
    concurrency::Int32
    reserved::Int32
    ctx::Ptr{Cvoid}
    parallel_for::Ptr{Cvoid}
    workspace::Ptr{Cvoid}
    workspace_bytes::Csize_t
end

@zeroed struct renorm_ramp
    struct_size::UInt32
    flags::UInt32
    warm::Int64
    rmax_end::Int64
    dmax_end::Int64
    rmax_final::Float64
    dmax_final::Float64
end

# What the descriptor gives an element type and a length. In an args struct a `Ptr{Int64}` has one value.
abstract type Tensor end      # n*c*s of dtype
abstract type Parameter end   # c of param_dtype
abstract type Running end     # c of stats_dtype
abstract type Statistics end  # [groups][c] Float64
abstract type Counts end      # [groups] Int64
abstract type Mask end        # as mask_kind says

"""
    @operation RENORM_OP_X renorm_x begin fields end

Defines `renorm_x_args`, the `code` of the operation and its `invoke(desc, args, exec)`.
"""
macro operation(code, name, fields)
    args = Symbol(name, :_args)
    return esc(quote
        @zeroed struct $args
            struct_size::UInt32
            flags::UInt32
            $(fields.args...)
        end
        code(::Type{$args}) = $code
        invoke(desc, args::$args, exec) =
            ccall(($(QuoteNode(name)), librenorm), Int32, (Ref{renorm_desc}, Ref{$args}, Ref{renorm_exec}), desc, args, exec)
    end)
end

@operation RENORM_OP_TRAIN renorm_train begin
    x::Ptr{Tensor}
    gamma::Ptr{Parameter}
    beta::Ptr{Parameter}
    running_mean::Ptr{Running}
    running_var::Ptr{Running}
    num_batches::Ptr{Int64}
    y::Ptr{Tensor}
    mean::Ptr{Statistics}
    sigma::Ptr{Statistics}
    r::Ptr{Statistics}
    d::Ptr{Statistics}
    count::Ptr{Counts}
    nonfinite::Ptr{Int64}
    m2::Ptr{Statistics}
    mask::Ptr{Mask}
    z::Ptr{Tensor}
end

@operation RENORM_OP_INFERENCE renorm_inference begin
    x::Ptr{Tensor}
    gamma::Ptr{Parameter}
    beta::Ptr{Parameter}
    running_mean::Ptr{Running}
    running_var::Ptr{Running}
    y::Ptr{Tensor}
    mask::Ptr{Mask}
    z::Ptr{Tensor}
    nonfinite::Ptr{Int64}
end

@operation RENORM_OP_BACKWARD renorm_backward begin
    x::Ptr{Tensor}
    dy::Ptr{Tensor}
    gamma::Ptr{Parameter}
    mean::Ptr{Statistics}
    sigma::Ptr{Statistics}
    r::Ptr{Statistics}
    d::Ptr{Statistics}
    count::Ptr{Counts}
    dx::Ptr{Tensor}
    dgamma::Ptr{Parameter}
    dbeta::Ptr{Parameter}
    mask::Ptr{Mask}
    beta::Ptr{Parameter}
    z::Ptr{Tensor}
    dz::Ptr{Tensor}
end

@operation RENORM_OP_INFERENCE_BACKWARD renorm_inference_backward begin
    x::Ptr{Tensor}
    dy::Ptr{Tensor}
    gamma::Ptr{Parameter}
    running_mean::Ptr{Running}
    running_var::Ptr{Running}
    dx::Ptr{Tensor}
    dgamma::Ptr{Parameter}
    dbeta::Ptr{Parameter}
    mask::Ptr{Mask}
    beta::Ptr{Parameter}
    z::Ptr{Tensor}
    dz::Ptr{Tensor}
end

@operation RENORM_OP_MOMENTS renorm_moments begin
    x::Ptr{Tensor}
    count::Ptr{Counts}
    mean::Ptr{Statistics}
    m2::Ptr{Statistics}
    mask::Ptr{Mask}
end

@operation RENORM_OP_MERGE renorm_merge begin
    count::Ptr{Counts}
    mean::Ptr{Statistics}
    m2::Ptr{Statistics}
    other_count::Ptr{Counts}
    other_mean::Ptr{Statistics}
    other_m2::Ptr{Statistics}
end

@operation RENORM_OP_UPDATE_RUNNING renorm_update_running begin
    count::Ptr{Counts}
    mean::Ptr{Statistics}
    m2::Ptr{Statistics}
    running_mean::Ptr{Running}
    running_var::Ptr{Running}
    num_batches::Ptr{Int64}
    nonfinite::Ptr{Int64}
end

@operation RENORM_OP_CORRECTION renorm_correction begin
    count::Ptr{Counts}
    mean::Ptr{Statistics}
    m2::Ptr{Statistics}
    running_mean::Ptr{Running}
    running_var::Ptr{Running}
    sigma_floor::Float64
    sigma::Ptr{Statistics}
    r::Ptr{Statistics}
    d::Ptr{Statistics}
end

@operation RENORM_OP_COEFFICIENTS renorm_coefficients begin
    mean::Ptr{Statistics}
    sigma::Ptr{Statistics}
    r::Ptr{Statistics}
    d::Ptr{Statistics}
    running_mean::Ptr{Running}
    running_var::Ptr{Running}
    gamma::Ptr{Parameter}
    beta::Ptr{Parameter}
    center::Ptr{Statistics}
    scale::Ptr{Statistics}
    shift::Ptr{Statistics}
    nonfinite::Ptr{Int64}
end

@operation RENORM_OP_APPLY renorm_apply begin
    x::Ptr{Tensor}
    center::Ptr{Statistics}
    scale::Ptr{Statistics}
    shift::Ptr{Statistics}
    y::Ptr{Tensor}
    mask::Ptr{Mask}
    z::Ptr{Tensor}
end

@operation RENORM_OP_BACKWARD_REDUCE renorm_backward_reduce begin
    x::Ptr{Tensor}
    dy::Ptr{Tensor}
    mean::Ptr{Statistics}
    sigma::Ptr{Statistics}
    sum_dy::Ptr{Statistics}
    sum_dy_xhat::Ptr{Statistics}
    mask::Ptr{Mask}
    gamma::Ptr{Parameter}
    beta::Ptr{Parameter}
    r::Ptr{Statistics}
    d::Ptr{Statistics}
    z::Ptr{Tensor}
end

@operation RENORM_OP_BACKWARD_APPLY renorm_backward_apply begin
    x::Ptr{Tensor}
    dy::Ptr{Tensor}
    gamma::Ptr{Parameter}
    mean::Ptr{Statistics}
    sigma::Ptr{Statistics}
    r::Ptr{Statistics}
    d::Ptr{Statistics}
    count::Ptr{Counts}
    sum_dy::Ptr{Statistics}
    sum_dy_xhat::Ptr{Statistics}
    dx::Ptr{Tensor}
    dgamma::Ptr{Parameter}
    dbeta::Ptr{Parameter}
    mask::Ptr{Mask}
    beta::Ptr{Parameter}
    z::Ptr{Tensor}
    dz::Ptr{Tensor}
end

@operation RENORM_OP_FOLD renorm_fold begin
    gamma::Ptr{Parameter}
    beta::Ptr{Parameter}
    running_mean::Ptr{Running}
    running_var::Ptr{Running}
    weights::Ptr{Tensor}
    bias::Ptr{Parameter}
    scale::Ptr{Parameter}
    folded_weights::Ptr{Tensor}
    folded_bias::Ptr{Parameter}
    nonfinite::Ptr{Int64}
end

renorm_version() = ccall((:renorm_version, librenorm), UInt32, ())
renorm_build_info() = ccall((:renorm_build_info, librenorm), Cstring, ())
renorm_status_string(status) = ccall((:renorm_status_string, librenorm), Cstring, (Int32,), status)
renorm_last_error(buffer, capacity) = ccall((:renorm_last_error, librenorm), Csize_t, (Ptr{UInt8}, Csize_t), buffer, capacity)
renorm_best_isa() = ccall((:renorm_best_isa, librenorm), Int32, ())
renorm_active_isa() = ccall((:renorm_active_isa, librenorm), Int32, ())
renorm_set_max_isa(isa) = ccall((:renorm_set_max_isa, librenorm), Int32, (Int32,), isa)
renorm_isa_name(isa) = ccall((:renorm_isa_name, librenorm), Cstring, (Int32,), isa)
renorm_workspace_size(desc, op, bytes) =
    ccall((:renorm_workspace_size, librenorm), Int32, (Ref{renorm_desc}, Int32, Ref{Csize_t}), desc, op, bytes)
renorm_explain(desc, op, exec, buffer, capacity) =
    ccall((:renorm_explain, librenorm), Int32, (Ref{renorm_desc}, Int32, Ref{renorm_exec}, Ptr{UInt8}, Csize_t), desc, op, exec, buffer, capacity)
renorm_set_trace(trace, ctx) = ccall((:renorm_set_trace, librenorm), Cvoid, (Ptr{Cvoid}, Ptr{Cvoid}), trace, ctx)
renorm_ramp_at(ramp, step, rmax, dmax) =
    ccall((:renorm_ramp_at, librenorm), Int32, (Ref{renorm_ramp}, Int64, Ref{Float64}, Ref{Float64}), ramp, step, rmax, dmax)

end
