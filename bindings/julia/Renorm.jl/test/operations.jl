# The forms of an operation against each other: to the bit, but where two layouts add in different orders.

# The values of a (s, c, n) array as arrays of any rank, in both layouts.
ranks(s) = s == 1 ? [()] : [(s,), (2, div(s, 2)), (2, 1, div(s, 2))]
arranged(x, inner, layout) =
    layout == Renorm.WHCN ? reshape(copy(x), inner..., size(x, 2), size(x, 3)) :
    reshape(permutedims(x, (2, 1, 3)), size(x, 2), inner..., size(x, 3))
restored(y, s, layout) = layout == Renorm.WHCN ? reshape(y, s, :, size(y, ndims(y))) : permutedims(reshape(y, size(y, 1), s, :), (2, 1, 3))

problem(T; s = 6, c = 5, n = 4) = (x = pattern(T, s, c, n), dy = pattern(T, s, c, n; seed = 3), gamma = pattern(T, c; seed = 5), beta = pattern(T, c; seed = 7),
                                   running_mean = pattern(T, c; seed = 9), running_var = 1 .+ abs.(pattern(T, c; seed = 11)))

# What one step gives, forward and backward, in order (s, c, n).
function step(p, inner, layout; keywords...)
    s = size(p.x, 1)
    x, dy = arranged(p.x, inner, layout), arranged(p.dy, inner, layout)
    running = (running_mean = copy(p.running_mean), running_var = copy(p.running_var))
    y, saved = Renorm.train(x; layout = layout, gamma = p.gamma, beta = p.beta, running..., keywords...)
    dx, dgamma, dbeta = Renorm.backward(dy, x, saved; gamma = p.gamma)
    return (restored(y, s, layout), restored(dx, s, layout), dgamma, dbeta, values(running)..., saved.mean, saved.sigma, saved.r, saved.d)
end

@testset "rank and layout $T s=$s" for T in (Float32, Float64), s in (1, 6)
    p = problem(T; s = s)
    reference = step(p, (s,), Renorm.WHCN; renorm = true)
    for inner in ranks(s)
        @test same_bits(step(p, inner, Renorm.WHCN; renorm = true), reference)
        other = step(p, inner, Renorm.CWHN; renorm = true)
        @test same_bits(other, step(p, (s,), Renorm.CWHN; renorm = true))
        @test all(isapprox(a, b; rtol = sqrt(eps(T))) for (a, b) in zip(other, reference))
    end
end

@testset "options change what they say $T" for T in (Float32, Float64)
    p = problem(T)
    base = step(p, (6,), Renorm.WHCN)
    @test base[9] == ones(5) && base[10] == zeros(5)
    by(; keywords...) = step(p, (6,), Renorm.WHCN; keywords...)
    for keywords in [(renorm = true,), (eps = 0.5,), (momentum = 0.9,), (unbiased = true,), (unbiased_running = true,), (track_sigma = true,),
                     (keep_running = true,), (cumulative = true, num_batches = Ref{Int64}(3))]
        @test !same_bits(by(; keywords...), base)
    end
    renormed = by(renorm = true)
    @test !same_bits(by(renorm = true, rmax = 1), renormed)
    @test !same_bits(by(renorm = true, dmax = 0), renormed)
    @test !same_bits(by(renorm = true, rmin = 1), renormed)
    @test same_bits(by(keep_running = true)[5:6], (p.running_mean, p.running_var))
    batches = Ref{Int64}(0)
    @test same_bits(by(momentum = 1), by(cumulative = true, num_batches = batches))
    @test batches[] == 1
end

@testset "not finite $T" for T in (Float32, Float64)
    p = problem(T)
    p.x[2, 3, 1] = NaN
    bad, mean, var = Ref{Int64}(-1), copy(p.running_mean), copy(p.running_var)
    y, saved = Renorm.train(p.x; nonfinite = bad, running_mean = mean, running_var = var, skip_nonfinite = true)
    @test bad[] == 1
    @test [all(isfinite, y[:, c, :]) for c in 1:5] == [true, true, false, true, true]
    @test mean[3] === p.running_mean[3] && var[3] === p.running_var[3] && mean[2] != p.running_mean[2]
end

@testset "mutating and allocating forms $T $layout" for T in (Float32, Float64), layout in (Renorm.WHCN, Renorm.CWHN)
    p = problem(T)
    x, dy = arranged(p.x, (6,), layout), arranged(p.dy, (6,), layout)
    affine = (gamma = p.gamma, beta = p.beta)
    y, saved = Renorm.train(x; layout = layout, affine...)
    again, in_place = Renorm.Saved(5), copy(x)
    @test Renorm.train!(in_place, in_place; saved = again, layout = layout, affine...) === in_place
    @test same_bits((in_place, again), (y, saved))

    running = (p.running_mean, p.running_var)
    y = Renorm.inference(x, running...; layout = layout, affine...)
    @test same_bits(Renorm.inference!(copy(x), x, running...; layout = layout, affine...), y)

    for (backward, backward!) in [(() -> Renorm.backward(dy, x, saved; gamma = p.gamma),
                                   (dx; keywords...) -> Renorm.backward!(dx, dx, x, saved; gamma = p.gamma, keywords...)),
                                  (() -> Renorm.inference_backward(dy, x, running...; gamma = p.gamma, layout = layout),
                                   (dx; keywords...) -> Renorm.inference_backward!(dx, dx, x, running...; gamma = p.gamma, layout = layout, keywords...))]
        dgamma, dbeta = similar(p.gamma), similar(p.beta)
        @test same_bits((backward!(copy(dy); dgamma = dgamma, dbeta = dbeta), dgamma, dbeta), backward())
        @test same_bits(backward!(copy(dy)), backward()[1])
    end
    no_x = Renorm.inference_backward!(similar(dy), dy, nothing, running...; gamma = p.gamma, layout = layout)
    @test same_bits(no_x, Renorm.inference_backward(dy, x, running...; gamma = p.gamma, layout = layout)[1])
end

@testset "parameters and statistics in double" begin
    p = problem(Float32)
    double = map(key -> Float64.(getfield(p, key)), (gamma = :gamma, beta = :beta, running_mean = :running_mean, running_var = :running_var))
    y, saved = Renorm.train(p.x; double..., renorm = true)
    @test y isa Array{Float32} && isapprox(restored(y, 6, Renorm.WHCN), step(p, (6,), Renorm.WHCN; renorm = true)[1]; rtol = 1e-5)
    @test double.running_mean != Float32.(double.running_mean)
    @test Renorm.backward(p.dy, p.x, saved; gamma = double.gamma)[2] isa Vector{Float64}
end

@testset "whole calls are made of the parts $T $layout $renorm" for T in (Float32, Float64), layout in (Renorm.WHCN, Renorm.CWHN), renorm in (false, true)
    p, whole = problem(T), problem(T)
    x, dy = arranged(p.x, (6,), layout), arranged(p.dy, (6,), layout)
    options, affine = (layout = layout, renorm = renorm), (gamma = p.gamma, beta = p.beta)
    running = (running_mean = p.running_mean, running_var = p.running_var)
    y, saved = Renorm.train(x; running_mean = whole.running_mean, running_var = whole.running_var, affine..., options...)

    moments = Renorm.moments(x; options...)
    corrected = Renorm.correction(moments; running..., options...)
    @test same_bits(corrected, saved)
    @test same_bits(Renorm.apply(x, Renorm.coefficients(corrected; affine...); options...), y)
    @test Renorm.update_running!(p.running_mean, p.running_var, moments; options...) === nothing
    @test same_bits((p.running_mean, p.running_var), (whole.running_mean, whole.running_var))
    sums = Renorm.backward_reduce(dy, x, corrected)
    @test same_bits(Renorm.backward_apply(dy, x, corrected, sums; gamma = p.gamma), Renorm.backward(dy, x, saved; gamma = p.gamma))
    map = Renorm.coefficients(values(running)...; affine..., options...)
    @test same_bits(Renorm.apply(x, map; options...), Renorm.inference(x, values(running)...; affine..., options...))
end

@testset "merged moments are those of the whole $T" for T in (Float32, Float64)
    x = problem(T).x
    first, rest, whole = Renorm.moments(x[:, :, 1:1]), Renorm.moments(x[:, :, 2:end]), Renorm.moments(x)
    @test merge!(first, rest) === first
    @test first.count[] == whole.count[] && isapprox(first.mean, whole.mean; rtol = sqrt(eps(T))) && isapprox(first.m2, whole.m2; rtol = sqrt(eps(T)))
    @test same_bits(merge!(Renorm.Moments(5), whole), whole)
    floored = Renorm.correction(whole; running_mean = zeros(T, 5), running_var = zeros(T, 5), sigma_floor = 1, renorm = true, track_sigma = true, rmax = Inf)
    @test isapprox(floored.r, floored.sigma)
end

@testset "a group is a batch of its own $T $layout $order" for T in (Float32, Float64), layout in (Renorm.WHCN, Renorm.CWHN),
                                                               (order, members) in [(Renorm.CONTIGUOUS, [[1, 2], [3, 4], [5]]),
                                                                                    (Renorm.INTERLEAVED, [[1, 4], [2, 5], [3]])]
    p = problem(T; n = 5)
    x, dy = arranged(p.x, (6,), layout), arranged(p.dy, (6,), layout)
    running = (running_mean = p.running_mean, running_var = p.running_var)
    options = (layout = layout, renorm = true, keep_running = true)
    grouped = (options..., groups = 3, group_order = order)
    mask = UInt8[mod(i + 2k, 5) > 1 for i in 1:6, k in 1:5]
    y, saved = Renorm.train(x; running..., grouped..., mask = mask)
    dx = Renorm.backward(dy, x, saved; mask = mask)[1]
    near(a, b) = isapprox(a, b; rtol = sqrt(eps(T)))  # samples of a group are not next to each other: another order of additions
    moments, sums = Renorm.moments(x; grouped..., mask = mask), Renorm.backward_reduce(dy, x, saved; mask = mask)
    @test same_bits(Renorm.Moments(saved), moments)
    for (g, samples) in enumerate(members)
        one, its_mask = x[:, :, samples], mask[:, samples]
        y_one, saved_one = Renorm.train(one; running..., options..., mask = its_mask)
        @test saved.count[g] == saved_one.count[] == sum(its_mask)
        for name in (:mean, :sigma, :r, :d, :m2)
            @test near(getfield(saved, name)[:, g], getfield(saved_one, name))
        end
        @test near(y[:, :, samples], y_one)
        @test near(dx[:, :, samples], Renorm.backward(dy[:, :, samples], one, saved_one; mask = its_mask)[1])
        @test near(sums.sum_dy[:, g], Renorm.backward_reduce(dy[:, :, samples], one, saved_one; mask = its_mask).sum_dy)
    end
end

@testset "groups and masks by parts $T $layout $lengths" for T in (Float32, Float64), layout in (Renorm.WHCN, Renorm.CWHN),
                                                             lengths in (false, true)
    p, whole = problem(T), problem(T)
    x, dy = arranged(p.x, (2, 3), layout), arranged(p.dy, (2, 3), layout)
    bytes = reshape(Bool[i <= l for i in 1:6, l in (6, 2, 0, 3)], 2, 3, 4)
    mask = lengths ? [6, 2, 0, 3] : bytes
    options, affine = (layout = layout, renorm = true, groups = 2), (gamma = p.gamma, beta = p.beta)
    running = (running_mean = p.running_mean, running_var = p.running_var)
    y, saved = Renorm.train(x; running_mean = whole.running_mean, running_var = whole.running_var, affine..., mask = mask, options...)
    counts = layout == Renorm.WHCN ? reshape(bytes, 2, 3, 1, 4) : reshape(bytes, 1, 2, 3, 4)
    @test all(iszero, y[.!(counts .& trues(size(y)))]) && any(!iszero, y)

    moments = Renorm.moments(x; mask = mask, options...)
    @test same_bits(merge!(Renorm.Moments(5, 2), moments), moments)
    corrected = Renorm.correction(moments; running..., options...)
    @test same_bits(corrected, saved)
    @test same_bits(Renorm.apply(x, Renorm.coefficients(corrected; affine...); mask = mask, options...), y)
    Renorm.update_running!(p.running_mean, p.running_var, moments; options...)
    @test same_bits((p.running_mean, p.running_var), (whole.running_mean, whole.running_var))
    gradients = Renorm.backward(dy, x, saved; gamma = p.gamma, mask = mask)
    sums = Renorm.backward_reduce(dy, x, corrected; mask = mask)
    @test same_bits(Renorm.backward_apply(dy, x, corrected, sums; gamma = p.gamma, mask = mask), gradients)
    map = Renorm.coefficients(values(running)...; affine..., options...)
    inferred = Renorm.inference(x, values(running)...; affine..., mask = mask, options...)
    @test same_bits(Renorm.apply(x, map; mask = mask, options...), inferred)
    @test !same_bits(inferred, Renorm.inference(x, values(running)...; affine..., options...))
    frozen = Renorm.inference_backward(dy, x, values(running)...; mask = mask, layout = layout)
    @test all(iszero, frozen[1][.!(counts .& trues(size(y)))])
    @test frozen[3] != Renorm.inference_backward(dy, x, values(running)...; layout = layout)[3]
    again, back = Renorm.pullback(x; affine..., options..., running_mean = problem(T).running_mean,
                                  running_var = problem(T).running_var, mask = mask)
    @test same_bits(again, y) && same_bits(back(dy), gradients)
end

@testset "pullback" begin
    p = problem(Float32)
    y, back = Renorm.pullback(p.x; gamma = p.gamma, beta = p.beta)
    whole, saved = Renorm.train(p.x; gamma = p.gamma, beta = p.beta)
    gradients = Renorm.backward(p.dy, p.x, saved; gamma = p.gamma)
    @test same_bits(y, whole)
    @test same_bits(back(p.dy), gradients)
    @test same_bits(back(view(Float64.(p.dy), :, :, :)), gradients)
end

# Against the operations one after the other.
@testset "pullback with relu=$relu add=$adds $T $layout" for relu in (false, true), adds in (false, true), T in (Float32, Float64),
                                                            layout in (Renorm.WHCN, Renorm.CWHN)
    p = problem(T)
    x, dy = arranged(p.x, (6,), layout), arranged(p.dy, (6,), layout)
    z = adds ? arranged(pattern(T, 6, 5, 4; seed = 13), (6,), layout) : nothing
    affine = (gamma = p.gamma, beta = p.beta)
    y, back = Renorm.pullback(x; affine..., z = z, relu = relu, layout = layout)
    plain, saved = Renorm.train(x; affine..., layout = layout)
    argument = adds ? plain .+ z : plain
    through(values) = relu ? ifelse.(argument .> 0, values, zero(T)) : values
    @test !relu || 0 < count(argument .> 0) < length(argument)
    @test same_bits(y, through(argument))
    gradients = back(dy)
    @test length(gradients) == 3 + adds
    @test all(isapprox(a, b; rtol = sqrt(eps(T))) for (a, b) in zip(gradients, Renorm.backward(through(dy), x, saved; gamma = p.gamma)))
    @test !adds || gradients[4] == through(dy)
end

@testset "the schedule of the paper" begin
    @test Renorm.ramp(5000) == (1, 0)
    @test Renorm.ramp(25000)[2] == 5
    @test Renorm.ramp(10^6) == (3, 5)
end

@testset "library" begin
    @test startswith(Renorm.build_info(), "renorm $(Renorm.version())")
    best = Renorm.best_isa()
    p = problem(Float32)
    reference = step(p, (6,), Renorm.WHCN)
    Renorm.set_max_isa(Renorm.ISA(Renorm.C.RENORM_ISA_SCALAR))
    @test string(Renorm.active_isa()) == "scalar"
    @test same_bits(step(p, (6,), Renorm.WHCN), reference) || string(best) == "sse2"
    Renorm.set_max_isa(best)
    @test Renorm.active_isa() == best
end

@testset "nothing in, nothing out $size" for size in [(0, 5, 4), (6, 0, 4), (6, 5, 0)]
    x = zeros(Float32, size)
    c = size[2]
    running = (running_mean = ones(Float32, c), running_var = ones(Float32, c))
    y, saved = Renorm.train(x; running..., renorm = true)
    @test Base.size(y) == size && running.running_mean == ones(c) && saved.count[] == size[1] * size[3]
    @test Renorm.backward(x, x, saved)[2] == zeros(c)
    @test Renorm.inference_backward(x, x, values(running)...)[3] == zeros(c)
    @test Renorm.moments(x).mean == zeros(c)
end

@testset "fold $T" for T in (Float32, Float64)
    mean, var, gamma, beta, bias = T[1, 2], T[4, 0.25], T[1, 3], T[0, 5], T[3, 3]
    scale = T[0.5, 6]
    conv, dense = reshape(T.(1:12), 3, 2, 2), reshape(T.(1:6), 2, 3)
    keywords = (gamma = gamma, beta = beta, bias = bias, eps = 0)
    @test Renorm.fold(mean, var; weights = conv, keywords...) == (scale = scale, weights = conv .* reshape(scale, 1, 1, 2), bias = T[1, 11])
    @test Renorm.fold(mean, var; weights = dense, layout = Renorm.CWHN, keywords...).weights == dense .* scale
    @test Renorm.fold(mean, var; eps = 0) == (scale = T[0.5, 2], weights = nothing, bias = T[-0.5, -4])
    @test_throws DimensionMismatch Renorm.fold(mean, var; weights = ones(T, 3, 5))

    want = Renorm.fold(mean, var; weights = conv, keywords...)
    folded = (scale = similar(mean), weights = similar(conv), bias = similar(bias))
    @test Renorm.fold!(folded, mean, var; weights = conv, keywords...) === folded && folded == want
    @test Renorm.fold!((scale = nothing, weights = conv, bias = bias), mean, var; weights = conv, keywords...) ===
          (scale = nothing, weights = conv, bias = bias)
    @test (conv, bias) == (want.weights, want.bias)
end

# With as many inputs as outputs a wrong dimension would go unnoticed but for the values.
@testset "fold of dimension $dims $T" for T in (Float32, Float64), dims in 1:4
    mean, var = zeros(T, 4), T[1, 4, 16, 64]
    weights = pattern(T, 4, 4, 4, 4)
    scaled = weights .* reshape(T[1, 1/2, 1/4, 1/8], ntuple(d -> d == dims ? 4 : 1, 4))
    @test Renorm.fold(mean, var; weights = weights, dims = dims, eps = 0).weights == scaled
    @test Renorm.fold(mean, var; weights = weights, dims = dims, layout = Renorm.CWHN, eps = 0).weights == scaled
    by_default = dims == 4 ? (layout = Renorm.WHCN,) : dims == 1 ? (layout = Renorm.CWHN,) : (dims = dims,)
    @test Renorm.fold(mean, var; weights = weights, by_default..., eps = 0).weights == scaled
end

@testset "a transposed convolution, folded" begin
    # y[p + q - 1, o] = sum over i of weights[q, o, i]*x[p, i]: Flux's ConvTranspose of one dimension
    transposed(x, weights, bias) = [bias[o] + sum(weights[q, o, i] * x[t-q+1, i] for q in 1:3, i in 1:4 if 1 <= t - q + 1 <= 5) for t in 1:7, o in 1:4]
    x, weights, bias = pattern(Float64, 5, 4), pattern(Float64, 3, 4, 4; seed = 3), pattern(Float64, 4; seed = 5)
    mean, var, gamma, beta = pattern(Float64, 4; seed = 7), [1.0, 4, 16, 64], [1.0, 2, 3, 4], [4.0, 3, 2, 1]
    y = reshape(transposed(x, weights, bias), 7, 4, 1)
    folded = Renorm.fold(mean, var; gamma = gamma, beta = beta, weights = weights, bias = bias, dims = ndims(weights) - 1)
    @test transposed(x, folded.weights, folded.bias) ≈ Renorm.inference(y, mean, var; gamma = gamma, beta = beta)[:, :, 1]
end

# Channels of a running variance that is finite, below -eps, and -eps.
@testset "counted as not finite $T" for T in (Float32, Float64)
    mean, var = ones(T, 3), T[3, -2, -1]
    counted(call) = (count = Ref{Int64}(-1); (call(count), count[]))
    y, count = counted(count -> Renorm.inference(fill(T(5), 3, 1), mean, var; nonfinite = count, eps = 1))
    @test (vec(isfinite.(y)), y[1], count) == ([true, false, false], 2, 2)
    map, count = counted(count -> Renorm.coefficients(mean, var; nonfinite = count, eps = 1))
    @test (isfinite.(map.scale), map.scale[1], count) == ([true, false, false], 0.5, 2)
    saved = Renorm.Saved(3)
    saved.sigma .= [2, NaN, 0]
    map, count = counted(count -> Renorm.coefficients(saved; nonfinite = count))
    @test (map.scale[1], count) == (0.5, 2)
    folded, count = counted(count -> Renorm.fold(mean, var; nonfinite = count, eps = 1))
    @test (isfinite.(folded.scale), folded.bias[1], count) == ([true, false, false], -0.5, 2)
end
