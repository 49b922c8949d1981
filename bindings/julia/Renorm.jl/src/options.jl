"""
Where the channels of an array are. The memory is dense, so these are all there is:

- `Renorm.WHCN`: the last dimension but one, as in Flux: `(W, H, C, N)`, `(W, C, N)`, `(C, N)`, ...
- `Renorm.CWHN`: the first dimension, channels fastest: `(C, W, H, N)`, `(C, W, N)`, `(C, N)`, ...

C libraries call the first memory NCHW and the second NHWC. The last dimension is the batch in both.
"""
@enum Layout::Int32 WHCN = C.RENORM_NCHW CWHN = C.RENORM_NHWC

"""
Which samples are a group: `Renorm.CONTIGUOUS`, consecutive ones, or `Renorm.INTERLEAVED`, every `groups`-th. The first
`mod(n, groups)` groups have one sample more.
"""
@enum GroupOrder::Int32 CONTIGUOUS = C.RENORM_GROUPS_CONTIGUOUS INTERLEAVED = C.RENORM_GROUPS_INTERLEAVED

"""
    Renorm.Options(; keywords...)

What to compute. Every operation takes these keywords and makes the options itself.

- `layout = Renorm.WHCN`, or `Renorm.CWHN`
- `eps = 1e-5`: added to the variance, inside the root; finite, at least 0
- `momentum = 0.1`: the weight of the *new* batch, in `[0, 1]`, as in Flux and PyTorch: `running += momentum*(batch - running)`
- `renorm = false`: batch renormalization; without it, batch normalization
- `rmax = 3`, `dmax = 5`: bounds of its correction r and d, `Inf` for none; `rmin`: the lower bound of r if it is not `1/rmax`
- `track_sigma = false`: `running_var` holds the deviation `sqrt(var + eps)`, as in the paper, not the variance
- `unbiased = false`: normalise with `var*m/(m-1)`, m being the number of values per channel
- `unbiased_running = false`: feed `running_var` with `var*m/(m-1)`, as Flux and PyTorch do
- `keep_running = false`: do not update the running statistics
- `cumulative = false`: plain average of all batches instead of momentum; needs `num_batches`
- `skip_nonfinite = false`: leave the running statistics of a channel alone whose new ones would not be finite
- `groups = 1`: that many groups of samples (microbatches) have statistics and corrections of their own; the running statistics are
  updated once, with the average. Saved statistics are then of size `(C, groups)`. Inference does not read it
- `group_order = Renorm.CONTIGUOUS`, or `Renorm.INTERLEAVED`
- `relu = false`: forward passes write `relu(y)`, and backward passes begin with it. Where calls are given `z`, it is added before
"""
Base.@kwdef struct Options
    layout::Layout = WHCN
    eps::Float64 = 1e-5
    momentum::Float64 = 0.1
    renorm::Bool = false
    rmin::Union{Nothing,Float64} = nothing
    rmax::Float64 = 3
    dmax::Float64 = 5
    track_sigma::Bool = false
    unbiased::Bool = false
    unbiased_running::Bool = false
    keep_running::Bool = false
    cumulative::Bool = false
    skip_nonfinite::Bool = false
    groups::Int = 1
    group_order::GroupOrder = CONTIGUOUS
    relu::Bool = false
end

epilogue(o::Options, adds) =
    adds ? (o.relu ? C.RENORM_EPILOGUE_ADD_RELU : C.RENORM_EPILOGUE_ADD) : (o.relu ? C.RENORM_EPILOGUE_RELU : C.RENORM_EPILOGUE_NONE)

flags(o::Options) =
    o.renorm * C.RENORM_FLAG_BATCH_RENORM |
    o.track_sigma * C.RENORM_FLAG_TRACK_SIGMA |
    o.unbiased * C.RENORM_FLAG_UNBIASED |
    o.unbiased_running * C.RENORM_FLAG_UNBIASED_RUNNING |
    o.keep_running * C.RENORM_FLAG_KEEP_RUNNING |
    o.cumulative * C.RENORM_FLAG_CUMULATIVE |
    (o.rmin !== nothing) * C.RENORM_FLAG_RMIN |
    o.skip_nonfinite * C.RENORM_FLAG_SKIP_NONFINITE
