# The mutating forms on the calling thread allocate nothing, for the tiny shape and all arrays.

const x = pattern(Float32, 8, 8, 16, 2)
const y, dy, dx = similar(x), pattern(Float32, 8, 8, 16, 2; seed = 3), similar(x)
const gamma, beta, mean, var, dgamma, dbeta = (ones(Float32, 16) for _ in 1:6)
const saved, moments, map, sums = Renorm.Saved(16), Renorm.Moments(16), Renorm.Coefficients(16), Renorm.Sums(16)
const grouped, mask, lengths = Renorm.Saved(16, 2), ones(UInt8, 8, 8, 2), [64, 64]
const batches, bad, workspace = Ref{Int64}(0), Ref{Int64}(0), Renorm.Workspace()

train() = Renorm.train!(y, x; gamma = gamma, beta = beta, running_mean = mean, running_var = var, num_batches = batches, saved = saved,
                        nonfinite = bad, workspace = workspace, renorm = true, eps = 1e-3, momentum = 0.01, rmin = 0.1)
inference() = Renorm.inference!(y, x, mean, var; gamma = gamma, beta = beta, nonfinite = bad, workspace = workspace, track_sigma = true)
backward() = Renorm.backward!(dx, dy, x, saved; gamma = gamma, dgamma = dgamma, dbeta = dbeta, workspace = workspace)
inference_backward() = Renorm.inference_backward!(dx, dy, x, mean, var; gamma = gamma, dgamma = dgamma, dbeta = dbeta, workspace = workspace)
moments_of() = Renorm.moments!(moments, x; workspace = workspace)
merged() = merge!(moments, moments_of_others)
const moments_of_others = Renorm.Moments(16)
update() = Renorm.update_running!(mean, var, moments; num_batches = batches, nonfinite = bad)
correction() = Renorm.correction!(saved, moments; running_mean = mean, running_var = var, renorm = true)
coefficients() = Renorm.coefficients!(map, saved; gamma = gamma, beta = beta, nonfinite = bad)
frozen() = Renorm.coefficients!(map, mean, var; gamma = gamma, beta = beta, nonfinite = bad)
apply() = Renorm.apply!(y, x, map; workspace = workspace)
reduce_sums() = Renorm.backward_reduce!(sums, dy, x, saved; workspace = workspace)
apply_sums() = Renorm.backward_apply!(dx, dy, x, saved, sums; gamma = gamma, dgamma = dgamma, dbeta = dbeta, workspace = workspace)
const weights = pattern(Float32, 3, 3, 8, 16)
const folded = (scale = similar(gamma), weights = similar(weights), bias = similar(beta))
fold() = Renorm.fold!(folded, mean, var; gamma = gamma, beta = beta, weights = weights, bias = beta, nonfinite = bad)
const transposed = permutedims(weights, (1, 2, 4, 3))
const folded_transposed = (scale = similar(gamma), weights = similar(transposed), bias = similar(beta))
fold_transposed() = Renorm.fold!(folded_transposed, mean, var; weights = transposed, dims = 3)
plain() = Renorm.train!(y, x)
groups() = Renorm.train!(y, x; saved = grouped, groups = 2, mask = mask, workspace = workspace)
groups_backward() = Renorm.backward!(dx, dy, x, grouped; mask = lengths, workspace = workspace)

const z, dz, of_fused = pattern(Float32, 8, 8, 16, 2; seed = 5), similar(x), Renorm.Saved(16)
fused_train() = Renorm.train!(y, x; gamma = gamma, beta = beta, saved = of_fused, z = z, workspace = workspace, relu = true)
relu_train() = Renorm.train!(y, x; workspace = workspace, relu = true)
add_train() = Renorm.train!(y, x; z = z, workspace = workspace)
fused_inference() = Renorm.inference!(y, x, mean, var; gamma = gamma, beta = beta, z = z, workspace = workspace, relu = true)
fused_backward() = Renorm.backward!(dx, dy, x, of_fused; gamma = gamma, beta = beta, dgamma = dgamma, dbeta = dbeta, z = z, dz = dz,
                                    workspace = workspace)
fused_inference_backward() = Renorm.inference_backward!(dx, dy, x, mean, var; gamma = gamma, beta = beta, dgamma = dgamma, dbeta = dbeta,
                                                        z = z, dz = dz, workspace = workspace, relu = true)
fused_apply() = Renorm.apply!(y, x, map; z = z, workspace = workspace, relu = true)
fused_reduce() = Renorm.backward_reduce!(sums, dy, x, of_fused; gamma = gamma, beta = beta, z = z, workspace = workspace)
fused_apply_sums() = Renorm.backward_apply!(dx, dy, x, of_fused, sums; gamma = gamma, beta = beta, dgamma = dgamma, dbeta = dbeta, z = z,
                                            dz = dz, workspace = workspace)

allocated(call) = (call(); call(); @allocated call())

@testset "$call" for call in [train, inference, backward, inference_backward, moments_of, merged, update, correction, coefficients, frozen,
                              apply, reduce_sums, apply_sums, fold, fold_transposed, plain, groups, groups_backward, fused_train, relu_train,
                              add_train, fused_inference, fused_backward, fused_inference_backward, fused_apply, fused_reduce, fused_apply_sums]
    @test allocated(call) == 0
end
@test allocated(() -> Renorm.Saved(16)) > 0
