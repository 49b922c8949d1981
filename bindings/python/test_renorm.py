"""Tests of renorm.py. RENORM_TEST_NUMPY is 1 or 0: with numpy, and numpy arrays, or without."""

import array
import copy
import gc
import itertools
import math
import os
import pathlib
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import renorm

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WITH_NUMPY = {"0": False, "1": True}[os.environ["RENORM_TEST_NUMPY"]]
LAYOUTS = ("NCHW", "NHWC")
ROUNDOFF = {"f": 2.0**-24, "d": 2.0**-53}
TINY = {"f": 2.0**-149, "d": 2.0**-1074}


def new(values, code, shape=None):
    """An array of the kind that this run is for."""
    if WITH_NUMPY:
        return renorm.numpy.array(values, code).reshape(shape or (-1,))
    flat = memoryview(array.array(code, values))
    return flat if shape is None else flat.cast("B").cast(code, shape)


def read_only(values, code):
    """The same, which cannot be written."""
    array = new(values, code)
    if not WITH_NUMPY:
        return array.toreadonly()
    array.setflags(write=False)
    return array


def output_of(program, library):
    """What a program in a process of its own prints."""
    return subprocess.run([sys.executable, "-S", "-c", program], check=True, capture_output=True, text=True, cwd=HERE,
                          env=dict(os.environ, RENORM_LIBRARY=library)).stdout


def flat(values):
    """The values of an array of any shape, as floats."""
    view = memoryview(values)
    return view.cast("B").cast(view.format).tolist() if view.nbytes else []


class Case:
    """One file of tests/data/golden; their format is in the README there."""

    def __init__(self, path):
        self.scalars, self.arrays = {}, {}
        lines = iter(path.read_text().splitlines())
        for line in lines:
            key, value, *_ = line.split()
            if key == "array":
                self.arrays[value] = [float.fromhex(number) for number in next(lines).split()]
            else:
                self.scalars[key] = value
        self.name = self.scalars["case"]
        self.groups = int(self.scalars.get("groups", 1))
        self.order = self.scalars.get("order", "contiguous")

    @property
    def extents(self):
        return [int(self.scalars[extent]) for extent in "ncs"]

    @property
    def spread(self):
        """The array with the running variances, or deviations."""
        return "running_" + self.scalars.get("track", "var")

    def having(self, scalars, arrays):
        """The same but for these."""
        case = copy.copy(self)
        case.scalars, case.arrays = {**self.scalars, **scalars}, {**self.arrays, **arrays}
        return case

    def part(self, prefix):
        """One of several parts, whose keys and arrays begin with a prefix: what it does not have of its own is that of the whole."""
        own = lambda of: {name[len(prefix):]: value for name, value in of.items() if name.startswith(prefix)}
        return self.having(own(self.scalars), own(self.arrays))

    def parts(self, count, prefix):
        return [self.part(f"{prefix}{k}.") for k in range(int(self.scalars[count]))]

    def with_set(self, name):
        """The same, whose running statistics are one of two sets: name_mean and name_stddev."""
        pairs = itertools.product(("", "new_"), (("running_mean", "mean"), ("running_sigma", "stddev")))
        return self.having(dict(track="sigma"), {age + to: self.arrays[f"{age}{name}_{start}"] for age, (to, start) in pairs})

    def after(self, running):
        """The same with the running statistics that a step before has left, if there was one."""
        return self if running is None else self.having({}, {"running_mean": flat(running["running_mean"]),
                                                             self.spread: flat(running["running_var"])})

    def number(self, key):
        return float.fromhex(self.scalars[key])

    def options(self):
        options = {key: self.number(key) for key in ("eps", "momentum", "rmin", "rmax", "dmax") if key in self.scalars}
        return dict(options, renorm="rmax" in options, track=self.scalars.get("track", "var"), unbiased=self.scalars.get("unbiased") == "1",
                    relu=self.scalars.get("relu") == "1", groups=self.groups, group_order=self.order)

    def feeds(self):
        """Options for the running statistics, and the array with the new variances or deviations that they lead to."""
        if self.spread == "running_sigma":
            return [(dict(), "new_running_sigma")]  # golden files have the biased one of these alone
        unbiased = "new_running_var_unbiased" if int(self.scalars["m"]) > 1 else "new_running_var_biased"
        return [(dict(), "new_running_var_biased"), (dict(unbiased_running=True), unbiased)]

    def to_layout(self, values, layout):
        n, c, s = self.extents
        order = itertools.product(range(n), range(s), range(c))
        return values if layout == "NCHW" else [values[(i * c + j) * s + k] for i, k, j in order]

    def columns(self, layout):
        """For each element of a tensor, where values per group and channel have that of its group and channel."""
        n, c, s = self.extents
        group = [i % self.groups if self.order == "interleaved" else i * self.groups // n for i in range(n)]
        return self.to_layout([group[i] * c + j for i in range(n) for j in range(c) for _ in range(s)], layout)

    def valid(self, layout):
        """For each element of a tensor, whether it counts."""
        n, c, s = self.extents
        mask = self.arrays.get("mask", [1.0] * (n * s))
        return self.to_layout([mask[i * s + k] for i in range(n) for _ in range(c) for k in range(s)], layout)

    def masks(self):
        """What a call takes for the mask: bytes, and lengths if these say the same. None without a mask."""
        if "mask" not in self.arrays:
            return [None]
        n, _, s = self.extents
        mask = [int(value) for value in self.arrays["mask"]]
        lengths = [sum(mask[i * s:(i + 1) * s]) for i in range(n)]
        found = [new(mask, "B", (n, s))]
        return found + [new(lengths, "q")] if mask == [int(k < length) for length in lengths for k in range(s)] else found


class Problem:
    """A case in one type and layout."""

    def __init__(self, case, code, layout, mask=None, batches=0, **options):
        self.case, self.code, self.layout, self.mask, self.batches = case, code, layout, mask, batches
        self.norm = renorm.Norm(layout=layout, **{**case.options(), **options})
        n, c, s = case.extents
        self.shape = (n, c, s) if layout == "NCHW" else (n, s, c)
        self.column, self.valid = case.columns(layout), case.valid(layout)
        self.x, self.dy, self.z = (self.tensor(name) for name in ("x", "dy", "z"))
        self.gamma, self.beta = (self.parameter(name) for name in ("gamma", "beta"))

    def tensor(self, name):
        return new(self.case.to_layout(self.case.arrays[name], self.layout), self.code, self.shape) if name in self.case.arrays else None

    def parameter(self, name):
        return new(self.case.arrays[name], self.code) if name in self.case.arrays else None

    def running(self):
        return dict(running_mean=self.parameter("running_mean"), running_var=self.parameter(self.case.spread))

    def updated(self):
        """The same and the number of batches, as they are before a call."""
        return dict(self.running(), num_batches=new([self.batches], "q"))

    def train(self, **options):
        """What train returns, and the updated statistics."""
        running = self.updated()
        return self.norm.train(self.x, self.gamma, self.beta, **running, mask=self.mask, z=self.z, **options), running

    def backward(self, saved, **options):
        return self.norm.backward(self.x, self.dy, saved, self.gamma, mask=self.mask, beta=self.beta, z=self.z, **options)

    def with_own(self, name):
        """The same with a tensor that may be overwritten."""
        own = copy.copy(self)
        setattr(own, name, self.tensor(name))
        return own

    def zeros(self):
        """A value for each channel of each group."""
        return new([0] * (self.case.groups * self.case.extents[1]), "d")

    def largest(self, tensor):
        """Of each group and channel, the largest absolute value that counts."""
        found = [0.0] * (self.case.groups * self.case.extents[1])
        for value, column, is_valid in zip(flat(tensor), self.column, self.valid):
            if is_valid:
                found[column] = max(found[column], abs(value))
        return found

    def scale_of_mean(self):
        """max|x| + |running mean| for each group and channel."""
        old_mean = flat(self.running()["running_mean"]) * self.case.groups
        return [x + abs(mean) for x, mean in zip(self.largest(self.x), old_mean)]

    def running_sigma(self):
        spread = flat(self.running()["running_var"])
        return spread if self.case.spread == "running_sigma" else [math.sqrt(var + self.case.number("eps")) for var in spread]

    def over_groups(self, combine, values):
        c = self.case.extents[1]
        return [combine(values[i::c]) for i in range(c)]


def train_in_shards(shards, sigma_floor=0.0):
    """Training by parts, of a batch that is spread over shards: what train returns, and the updated statistics."""
    p = shards[0]  # all have the same parameters and running statistics
    moments, running = renorm.Moments(new([0] * p.case.groups, "q"), p.zeros(), p.zeros()), p.updated()
    for shard in shards:
        p.norm.merge(moments, shard.norm.moments(shard.x, mask=shard.mask))
    correction = p.norm.correction(moments, **p.running(), sigma_floor=sigma_floor)
    coefficients = p.norm.coefficients(moments.mean, *correction, gamma=p.gamma, beta=p.beta)
    y = joined(p, [shard.norm.apply(shard.x, coefficients, mask=shard.mask, z=shard.z) for shard in shards])
    nonfinite = p.norm.update_running(moments, **running)
    return renorm.Training(y, moments.mean, *correction, moments.count, new([nonfinite], "q"), moments.m2), running


def backward_in_shards(shards, saved):
    sums = [shard.norm.backward_reduce(shard.x, shard.dy, saved.mean, saved.sigma, mask=shard.mask, gamma=shard.gamma, beta=shard.beta,
                                       r=saved.r, d=saved.d, z=shard.z) for shard in shards]
    total = renorm.Sums(*(new([sum(values) for values in zip(*map(flat, parts))], "d") for parts in zip(*sums)))
    gradients = [shard.norm.backward_apply(shard.x, shard.dy, saved, total, shard.gamma, mask=shard.mask, beta=shard.beta, z=shard.z)
                 for shard in shards]
    # Each shard has the parameter gradients of the whole batch.
    tensors = {name: joined(shards[0], [getattr(part, name) for part in gradients]) for name in ("dx", "dz")}
    return [part._replace(**tensors) for part in gradients]


def joined(p, tensors):
    """The tensors of shards as one, None of None."""
    return None if tensors[0] is None else new([value for tensor in tensors for value in flat(tensor)], p.code)


class TestCase(unittest.TestCase):
    def check(self, p, name, got, scales=None):
        """scales: what errors are relative to besides the value itself, for each value, of tensors for each group and channel. The golden
        values are good to 1e-12 of them.

        This is about arguments that arrive where they belong; how accurate the library is, its own tests say, with an analysis. By that,
        an error is at most some 10*(3*E + 3) roundoffs with E = 2*(k + 2)/sqrt(m), m values added in lanes of k: below 1000 for the small
        m <= 211 here. Underflow may lose some TINY on the way, a hundred where it is summed.
        """
        want = p.case.arrays[name]
        is_tensor = name in ("x", "y", "dx", "dz")
        want, column = (p.case.to_layout(want, p.layout), p.column) if is_tensor else (want, range(len(want)))
        got = flat(got)
        self.assertEqual(len(got), len(want))
        for i, (value, exact, c) in enumerate(zip(got, want, column)):
            allowed = (1000 * ROUNDOFF[p.code] + 1e-12) * (abs(exact) + (scales[c] if scales else 0)) + 100 * TINY[p.code]
            if math.isinf(value) and p.code == "f":
                self.assertGreater(abs(exact), 3.4028235e38, f"{p.case.name}: {name}[{i}]")
            else:
                self.assertLessEqual(abs(value - exact), allowed, f"{p.case.name}: {name}[{i}] is {value}, not {exact}")

    def check_same(self, got, want, name):
        for left, right in zip(got, want):
            self.assertEqual(left is None, right is None, name)
            if left is not None:
                self.assertEqual(flat(left), flat(right), name)


class Golden(TestCase):
    def compare_running(self, p, running, spread):
        """spread: the array with the new running variances or deviations."""
        self.check(p, "new_running_mean", running["running_mean"], p.over_groups(max, p.scale_of_mean()))
        self.check(p, spread, running["running_var"])

    def compare_training(self, p, saved, running, spread, sigma_floor=0.0):
        case, m = p.case, int(p.case.scalars["m"])
        self.check(p, "y", saved.y, p.largest(saved.y))
        self.check(p, "mean", saved.mean, p.largest(p.x))
        self.check(p, "var", new([m2 / m for m2 in flat(saved.m2)], "d"))
        if "sigma_batch" in case.arrays:
            self.check(p, "sigma_batch", saved.sigma)
        self.assertEqual(flat(saved.count), [m] * case.groups)
        if "rmax" in case.scalars:
            self.check(p, "r", saved.r)
            old_sigma = [max(sigma, sigma_floor) for sigma in p.running_sigma()] * case.groups
            self.check(p, "d", saved.d, [scale / sigma for scale, sigma in zip(p.scale_of_mean(), old_sigma)])
        self.compare_running(p, running, spread)
        self.assertEqual(flat(running["num_batches"]), [p.batches + 1])

    def compare_gradients(self, p, saved, gradients):
        case, m = p.case, int(p.case.scalars["m"])
        largest_dy, sigma, r, d = p.largest(p.dy), flat(saved.sigma), flat(saved.r), flat(saved.d)
        gamma = case.arrays.get("gamma", [1.0] * case.extents[1]) * case.groups
        # No value is further from the mean than sqrt(m) deviations, and no sum larger than m of the largest.
        sum_dy = [m * dy for dy in largest_dy]
        self.check(p, "dx", gradients.dx, [abs(gamma[i]) * r[i] / sigma[i] * dy for i, dy in enumerate(largest_dy)])
        self.check_parameter_gradients(p, gradients, p.over_groups(sum, sum_dy), p.over_groups(
            sum, [dy * (math.sqrt(m) * r[i] + abs(d[i])) for i, dy in enumerate(sum_dy)]))

    def check_parameter_gradients(self, p, gradients, scale_of_dbeta, scale_of_dgamma):
        if p.gamma is not None:
            self.check(p, "dgamma", gradients.dgamma, scale_of_dgamma)
        if p.beta is not None:
            self.check(p, "dbeta", gradients.dbeta, scale_of_dbeta)
        if p.z is not None:
            self.check(p, "dz", gradients.dz)

    def check_training(self, p, spread):
        """Returns what the step has saved, and the updated statistics."""
        saved, running = p.train()
        self.compare_training(p, saved, running, spread)
        saved_by_parts, running_by_parts = train_in_shards([p])
        self.check_same(saved_by_parts, saved, "by parts")
        self.check_same(running_by_parts.values(), running.values(), "by parts")
        in_place = p.with_own("x")
        self.assertIs(in_place.train(y=in_place.x)[0].y, in_place.x)
        self.check_same([in_place.x], [saved.y], "in place")
        return saved, running

    def check_backward(self, p, saved):
        gradients = p.backward(saved)
        self.compare_gradients(p, saved, gradients)
        self.check_same(backward_in_shards([p], saved)[0], gradients, "by parts")
        in_place = p.with_own("dy")
        self.assertIs(in_place.backward(saved, dx=in_place.dy).dx, in_place.dy)
        self.check_same([in_place.dy], [gradients.dx], "in place")

    def check_inference(self, p):
        y = p.norm.inference(p.x, **p.running(), gamma=p.gamma, beta=p.beta, z=p.z)
        self.check(p, "y", y, p.largest(y))
        coefficients = p.norm.coefficients(**p.running(), gamma=p.gamma, beta=p.beta)
        self.check_same([p.norm.apply(p.x, coefficients, z=p.z)], [y], "by parts")

    def check_train(self, case, code, layout):
        for mask, (options, spread) in itertools.product(case.masks(), case.feeds()):
            p = Problem(case, code, layout, mask=mask, **options)
            self.check_backward(p, self.check_training(p, spread)[0])

    def check_infer(self, case, code, layout):
        p = Problem(case, code, layout)
        self.check_inference(p)
        gradients = p.norm.inference_backward(p.x, p.dy, **p.running(), gamma=p.gamma, beta=p.beta, z=p.z)
        self.check(p, "dx", gradients.dx)
        n, _, s = case.extents
        sum_dy = [n * s * dy for dy in p.largest(p.dy)]
        xhat = [scale / sigma for scale, sigma in zip(p.scale_of_mean(), p.running_sigma())]
        self.check_parameter_gradients(p, gradients, sum_dy, [dy * x for dy, x in zip(sum_dy, xhat)])

    def check_steps(self, case, code, layout, spread, **options):
        """Each step goes on with the running statistics of the one before. Returns the last ones."""
        running = None
        for k, step in enumerate(case.parts("steps", "step")):
            p = Problem(step.after(running), code, layout, batches=k, **options)
            saved, running = self.check_training(p, spread)
            if p.dy is not None:
                self.check_backward(p, saved)
        return running

    def check_sequence(self, case, code, layout):
        running = self.check_steps(case, code, layout, "new_" + case.spread)
        self.check_inference(Problem(case.part("infer.").after(running), code, layout))

    def check_cumulative(self, case, code, layout):
        self.check_steps(case, code, layout, "new_running_var_biased", cumulative=True)
        self.check_steps(case, code, layout, "new_running_var_unbiased", cumulative=True, unbiased_running=True)

    def check_population(self, case, code, layout):
        """Statistics of all batches: the average of theirs, and those of all values, by merged moments."""
        zeros, steps = [0.0] * case.extents[1], case.parts("steps", "step")
        running = dict(running_mean=new(zeros, code), running_var=new(zeros, code))
        pooled, largest = renorm.Moments(new([0], "q"), new(zeros, "d"), new(zeros, "d")), zeros
        for k, step in enumerate(steps):
            p = Problem(step.after(running), code, layout, batches=k, cumulative=True, unbiased_running=True)
            saved, running = p.train()
            p.norm.merge(pooled, renorm.Moments(saved.count, saved.mean, saved.m2))
            largest = [max(pair) for pair in zip(largest, p.largest(p.x))]

        def inference(name, var):
            p = Problem(case.part(name + ".").having({}, dict(x=steps[0].arrays["x"])).after(running), code, layout)
            self.check(p, name + "_mean", running["running_mean"], largest)
            self.check(p, var, running["running_var"])
            return p

        self.check_inference(inference("population", "population_var"))
        for unbiased, var in ((True, "pooled_var_unbiased"), (False, "pooled_var")):
            renorm.Norm(momentum=1, unbiased_running=unbiased).update_running(pooled, **running)
            p = inference("pooled", var)
        self.check_inference(p)

    def check_keras_sequence(self, case, code, layout):
        """Two sets of running statistics: those of the correction, whose sigma has a floor, and those of inference."""
        eps, in_renorm, in_moving = case.number("eps"), None, None
        for step in case.parts("steps", "step"):
            p = Problem(step.with_set("renorm").after(in_renorm), code, layout, momentum=case.number("renorm_momentum"))
            saved, in_renorm = train_in_shards([p], math.sqrt(eps))
            self.compare_training(p, saved, in_renorm, "new_running_sigma", math.sqrt(eps))
            self.check_backward(p, saved)
            p = Problem(step.with_set("moving").after(in_moving), code, layout)
            in_moving = p.running()
            p.norm.update_running(renorm.Moments(saved.count, saved.mean, saved.m2), **in_moving)
            self.compare_running(p, in_moving, "new_running_sigma")
        in_moving["running_var"] = new([max(sigma * sigma - eps, 0.0) for sigma in flat(in_moving["running_var"])], code)
        self.check_inference(Problem(case.part("infer.").after(in_moving), code, layout))

    def check_sync(self, case, code, layout):
        """A batch in one piece, and in shards."""
        parts = case.parts("shards", "shard")
        whole = case.having({}, {name: [value for part in parts for value in part.arrays[name]] for name in ("x", "dy", "y", "dx")})
        if not WITH_NUMPY:
            parts = [part for part in parts if part.extents[0] > 0]  # memoryviews have no empty tensors
        for options, spread in case.feeds():
            p = Problem(whole, code, layout, **options)
            self.check_backward(p, self.check_training(p, spread)[0])
            shards = [Problem(part, code, layout, **options) for part in parts]
            saved, running = train_in_shards(shards)
            self.compare_training(p, saved, running, spread)
            for gradients in backward_in_shards(shards, saved):
                self.compare_gradients(p, saved, gradients)

    def check_schedule(self, case, code, layout):
        for step, rmax, dmax in zip(case.arrays["step"], case.arrays["rmax"], case.arrays["dmax"]):
            got = renorm.ramp_at(int(step))
            # A product and a quotient of differences: five roundings.
            self.assertLessEqual(abs(got[0] - rmax), 5 * ROUNDOFF["d"] * rmax)
            self.assertLessEqual(abs(got[1] - dmax), 5 * ROUNDOFF["d"] * dmax)

    CHECKS = dict(bn_train=check_train, brn_train=check_train, bn_groups=check_train, brn_groups=check_train, bn_infer=check_infer,
                  brn_infer=check_infer, bn_cumulative=check_cumulative, bn_population=check_population, brn_sequence=check_sequence,
                  brn_keras_sequence=check_keras_sequence, bn_sync=check_sync, brn_sync=check_sync, brn_schedule=check_schedule)

    def test_every_file(self):
        cases = [Case(path) for path in sorted((ROOT / "tests/data/golden").glob("*.txt"))]
        self.assertEqual(len(cases), 88)
        for case, code, layout in itertools.product(cases, "fd", LAYOUTS):
            with self.subTest(case=case.name, code=code, layout=layout):
                self.CHECKS[case.scalars["op"]](self, case, code, layout)


class Fold(TestCase):
    SCALE = [2, 8]

    def fold(self, weights, shape, layout="NCHW", **axis):
        """For two outputs, by what scales by SCALE."""
        mean, var = new([1, 3], "d"), new([0.25, 0.015625], "d")
        return renorm.Norm(layout=layout, eps=0).fold(mean, var, weights=new(weights, "d", shape), **axis)

    def test_values(self):
        for code, layout in itertools.product("fd", LAYOUTS):
            norm = renorm.Norm(layout=layout, eps=0)
            mean, var, gamma, beta, bias = (new(values, code) for values in ([1, 2], [4, 0.25], [1, 3], [0, 5], [3, 3]))
            weights = [1, 2, 3, 4, 5, 6]
            shape, rows = ((2, 3), [i // 3 for i in range(6)]) if layout == "NCHW" else ((3, 2), [i % 2 for i in range(6)])
            folded = norm.fold(mean, var, gamma, beta, new(weights, code, shape), bias)
            self.assertEqual(flat(folded.scale), [0.5, 6])
            self.assertEqual(flat(folded.bias), [1, 11])
            self.assertEqual(flat(folded.weights), [weight * [0.5, 6][row] for weight, row in zip(weights, rows)])
            self.assertEqual([None if values is None else flat(values) for values in norm.fold(mean, var)],
                             [[0.5, 2], None, [-0.5, -4], [0]])

    def test_axis(self):
        """Output channels first (OIHW), second (IOHW), last (HWIO) and last but one (HWOI), and what layouts have without axis."""
        weights = list(range(16))
        for layout, axis, stride in [("NCHW", None, 8), ("NHWC", None, 1), ("NCHW", 0, 8), ("NHWC", 0, 8), ("NCHW", 1, 4), ("NHWC", 1, 4),
                                     ("NCHW", 3, 1), ("NCHW", -1, 1), ("NHWC", -2, 2), ("NCHW", -4, 8)]:
            folded = self.fold(weights, (2, 2, 2, 2), layout, **({} if axis is None else dict(axis=axis)))
            self.assertEqual(flat(folded.weights), [weight * self.SCALE[i // stride % 2] for i, weight in enumerate(weights)])
            self.assertEqual(memoryview(folded.weights).shape, (2, 2, 2, 2))
            self.assertEqual(flat(folded.bias), [-2, -24])

    def transposed(self, x, weights, groups=1):
        """A transposed convolution of x, one value for each of 4 inputs, with weights [4][2][2], IOH: 2*groups outputs of 2 positions."""
        y = [[0] * 2 for _ in range(2 * groups)]
        for i, o, h in itertools.product(range(4), range(2), range(2)):
            y[i // (4 // groups) * 2 + o][h] += x[i] * weights[i * 4 + o * 2 + h]
        return y

    def check_transposed(self, groups, fold):
        x, weights = [1, -2, 3, 5], [(i * 7 + 3) % 11 - 5 for i in range(16)]
        mean, var, c = [1, 3, -2, 0], [0.25, 0.0625, 4, 1], 2 * groups
        arrays = [new(values[:c], "d") for values in (mean, var)]
        y = self.transposed(x, weights, groups)
        want = renorm.Norm(eps=0).inference(new(sum(y, []), "d", (1, c, 2)), *arrays)
        folded_weights, bias = fold(new(weights, "d", (4, 2, 2)), *arrays)
        got = [value + bias[j] for j, row in enumerate(self.transposed(x, folded_weights, groups)) for value in row]
        self.assertEqual(got, flat(want))

    def test_transposed_convolution(self):
        def fold(weights, mean, var):
            folded = renorm.Norm(eps=0).fold(mean, var, weights=weights, axis=1)
            return flat(folded.weights), flat(folded.bias)

        self.check_transposed(1, fold)

    def test_transposed_convolution_of_two_groups(self):
        """Each group by its own call: its inputs' weights, its outputs' statistics."""
        def fold(weights, mean, var):
            parts = [renorm.Norm(eps=0).fold(mean[2 * k:2 * k + 2], var[2 * k:2 * k + 2], weights=part(weights, k), axis=1)
                     for k in range(2)]
            return [[value for one in parts for value in flat(getattr(one, name))] for name in ("weights", "bias")]

        def part(weights, k):
            return weights[2 * k:2 * k + 2] if WITH_NUMPY else weights.cast("B").cast("d")[8 * k:8 * k + 8].cast("B").cast("d", (2, 2, 2))

        self.check_transposed(2, fold)

    def test_errors(self):
        for error, words, shape, axis in [
            (ValueError, "axis: 2, but weights have 2 axes", (2, 3), 2), (ValueError, "axis: -3, but weights have 2 axes", (2, 3), -3),
            (TypeError, "axis: .*integer.*", (2, 3), 1.0), (ValueError, "running_mean: 2 elements instead of 3", (2, 3), 1),
        ]:
            with self.assertRaisesRegex(error, f"^{words}$"):
                self.fold(range(6), shape, axis=axis)
        with self.assertRaisesRegex(TypeError, "^weights: elements of type int64, not float32 or float64$"):
            renorm.Norm().fold(new([1], "d"), new([1], "d"), weights=new([1], "q"))


class Nonfinite(TestCase):
    """Of three channels one has a running variance below -eps, and one a gamma that makes scale infinite, in float alone."""

    def test_channels_are_counted(self):
        x, mean = new([1] * 6, "f", (2, 3)), new([0] * 3, "f")
        for var, gamma, count in [([1, 1, 1], [1, 1, 1], 0), ([1, -1, 1], [1, 1, 1], 1), ([1, -1, 0.25], [1, 1, 3e38], 2)]:
            norm, running = renorm.Norm(eps=0), dict(running_mean=mean, running_var=new(var, "f"), gamma=new(gamma, "f"))
            nonfinite = new([7], "q")
            y = norm.inference(x, **running, nonfinite=nonfinite)
            coefficients = norm.coefficients(**running)
            self.assertEqual([flat(coefficients.nonfinite), flat(norm.fold(**running).nonfinite), flat(nonfinite)], [[count]] * 3)
            self.assertEqual([math.isfinite(value) for value in flat(coefficients.scale)], [value > 0 for value in var])
            self.assertEqual(sum(not math.isfinite(value) for value in flat(y)), 2 * count)
            self.assertEqual(str(flat(norm.apply(x, renorm.Map(*coefficients[:3])))), str(flat(norm.apply(x, coefficients))))
        with self.assertRaisesRegex(BufferError, "^nonfinite: read-only$"):
            norm.inference(x, **running, nonfinite=read_only([0], "q"))


class Errors(TestCase):
    def setUp(self):
        self.x, self.c = new(range(12), "f", (2, 3, 2)), new([1, 1, 1], "f")
        self.before = flat(self.x)

    def refused(self, status, words, function, *arguments, **options):
        with self.assertRaisesRegex(renorm.Error, words) as caught:
            function(*arguments, **options)
        self.assertIs(caught.exception.status, status)
        self.assertEqual(flat(self.x), self.before)

    def test_statuses(self):
        nan, train = float("nan"), lambda **options: renorm.Norm(**options).train(self.x)
        for name in ("eps", "momentum", "rmin", "rmax", "dmax"):
            self.refused(renorm.Status.VALUE, name, train, **{name: nan})
        self.refused(renorm.Status.NULL, "args->running_mean", train, renorm=True)
        self.refused(renorm.Status.NULL, "args->num_batches", train, cumulative=True)
        self.refused(renorm.Status.VALUE, "step", renorm.ramp_at, -1)
        self.refused(renorm.Status.ISA, "isa", renorm.set_max_isa, 1000)
        saved = renorm.Norm().train(self.x)
        self.refused(renorm.Status.ALIAS, "args->running_var overlaps args->running_mean", renorm.Norm().train, self.x,
                     running_mean=self.c, running_var=self.c)
        moments = renorm.Moments(new([2**62], "q"), saved.mean, saved.sigma)
        other = renorm.Moments(new([2**62], "q"), saved.mean, saved.sigma)
        self.refused(renorm.Status.ALIAS, "args->mean overlaps args->other_mean", renorm.Norm().merge, moments, other)
        other = renorm.Moments(new([2**62], "q"), saved.r, saved.d)
        self.refused(renorm.Status.OVERFLOW, "args->count", renorm.Norm().merge, moments, other)

    def test_statuses_of_the_library_alone(self):
        """What this binding does not let happen: its mapping from status to exception."""
        desc, apply = renorm._new_struct("desc", layout=1, dtype=1, n=1, c=1, s=1), renorm._operations[renorm.Op.APPLY]
        args, exec = renorm._new_struct("apply_args"), renorm._new_struct("exec")

        def call(op=apply):
            renorm._check(op(renorm.ctypes.byref(desc), renorm.ctypes.byref(args), renorm.ctypes.byref(exec)))

        desc.dtype = 9
        self.refused(renorm.Status.UNSUPPORTED, "desc->dtype", call)
        desc.dtype = 1
        args.struct_size = 0
        self.refused(renorm.Status.STRUCT_SIZE, "args->struct_size", call)
        args, train = renorm._new_struct("train_args"), renorm._operations[renorm.Op.TRAIN]
        desc.c, args.x, args.y = 2**45, 4096, 4096  # as many channels as no memory has statistics for: x is not reached
        self.refused(renorm.Status.OUT_OF_MEMORY, "workspace", call, train)
        exec.workspace = 1
        self.refused(renorm.Status.WORKSPACE, "exec->workspace_bytes", call, train)
        self.assertIs(renorm.Error(-1000, "").status, -1000)

    def test_arrays(self):
        norm, saved = renorm.Norm(), renorm.Norm().train(self.x)
        train = lambda **arguments: norm.train(self.x, **arguments)
        for error, words, arguments in [
            (ValueError, "gamma: 4 elements instead of 3", dict(gamma=new([1] * 4, "f"))),
            (TypeError, "gamma: elements of type int64, not float32", dict(gamma=new([1] * 3, "q"))),
            (TypeError, "beta: elements of type float32, not float64", dict(gamma=new([1] * 3, "d"), beta=new([1] * 3, "f"))),
            (ValueError, "y: 6 elements instead of 12", dict(y=new([0] * 6, "f"))),
            (ValueError, r"y: shape \(2, 2, 3\) instead of \(2, 3, 2\)", dict(y=new([0] * 12, "f", (2, 2, 3)))),
            (TypeError, "y: elements of type float64, not float32", dict(y=new([0] * 12, "d"))),
            (TypeError, "num_batches: elements of type float32, not int64", dict(num_batches=new([0], "f"))),
            (BufferError, "running_mean: read-only", dict(running_mean=read_only([0] * 3, "f"), running_var=self.c)),
            (BufferError, "gamma: not C-contiguous", dict(gamma=new([1] * 6, "f")[::2])),
            (TypeError, "gamma: .*'list'", dict(gamma=[1.0, 1.0, 1.0])),
        ]:
            with self.assertRaisesRegex(error, f"^{words}$"):
                train(**arguments)
        self.assertEqual(flat(train(gamma=read_only([1] * 3, "f"), y=new([0] * 12, "f")).y), flat(saved.y))
        for error, words, x in [(ValueError, r"x: shape \(3,\): .*samples and channels at least", self.c),
                                (TypeError, "x: .*'NoneType'", None),
                                (TypeError, "x: elements of type int64, not float32 or float64", new([1], "q", (1, 1))),
                                (BufferError, "x: not C-contiguous", new(range(12), "f", (6, 2))[::2])]:
            with self.assertRaisesRegex(error, f"^{words}$"):
                norm.train(x)
        with self.assertRaisesRegex(BufferError, "^sigma: not C-contiguous$"):
            norm.backward(self.x, self.x, saved._replace(sigma=new([1] * 6, "d")[::2]))
        with self.assertRaisesRegex(TypeError, "^running_mean: .*'list'$"):
            norm.coefficients(running_mean=[0.0], running_var=self.c)

    @unittest.skipUnless(WITH_NUMPY, "only numpy has arrays without a buffer")
    def test_no_buffer(self):
        with self.assertRaisesRegex(ValueError, "^gamma: .*dtype"):
            renorm.Norm().train(self.x, gamma=renorm.numpy.zeros(3, "M8[s]"))
        with self.assertRaisesRegex(TypeError, "^gamma: elements of type float16, not float32$"):
            renorm.Norm().train(self.x, gamma=renorm.numpy.zeros(3, "e"))

    def test_z(self):
        norm, running = renorm.Norm(relu=True), dict(running_mean=self.c, running_var=new([2, 2, 2], "f"))
        saved, sums, c = norm.train(self.x), renorm.Sums(*(new([0] * 3, "d") for _ in range(2))), new([1] * 3, "d")
        calls = [lambda z: norm.train(self.x, z=z), lambda z: norm.inference(self.x, **running, z=z),
                 lambda z: norm.backward(self.x, self.x, saved, z=z), lambda z: norm.inference_backward(self.x, self.x, **running, z=z),
                 lambda z: norm.apply(self.x, renorm.Map(c, c, c), z=z), lambda z: norm.backward_reduce(self.x, self.x, c, c, z=z),
                 lambda z: norm.backward_apply(self.x, self.x, saved, sums, z=z)]
        for call, (error, words, z) in itertools.product(calls, [
            (ValueError, "z: 6 elements instead of 12", new([0] * 6, "f")),
            (TypeError, "z: elements of type float64, not float32", new([0] * 12, "d")),
            (TypeError, "z: .*'list'", [0.0] * 12),
            (BufferError, "z: not C-contiguous", new([0] * 24, "f")[::2]),
        ]):
            with self.assertRaisesRegex(error, f"^{words}$"):
                call(z)
        memory = memoryview(new([0] * 13, "f"))
        self.refused(renorm.Status.ALIAS, "args->y overlaps args->z", norm.train, self.x, z=memory[:12], y=memory[1:])
        self.refused(renorm.Status.ALIAS, "args->dx overlaps args->z", norm.backward, self.x, self.x, saved, z=memory[:12], dx=memory[1:])
        self.assertEqual(memory.tolist(), [0] * 13)

    @unittest.skipUnless(WITH_NUMPY, "memoryviews have no empty tensors")
    def test_extents(self):
        norm = renorm.Norm(renorm=True)
        for n, c, s in set(itertools.product((0, 2), repeat=3)) - {(2, 2, 2)}:
            x, running = new([], "f", (n, c, s)), dict(running_mean=new([0] * c, "f"), running_var=new([1] * c, "f"))
            saved = norm.train(x, **running, z=x)
            gradients = norm.backward(x, x, saved, z=x)
            self.assertEqual((flat(saved.mean), flat(gradients.dgamma), flat(running["running_var"])), ([0] * c, [0] * c, [1] * c))
            self.assertEqual((saved.y.shape, gradients.dz.shape, norm.inference(x, **running).shape), 3 * ((n, c, s),))
        with self.assertRaises(MemoryError):
            renorm.Norm().train(new([], "f", (0, 2**48)))

    def test_types(self):
        """Parameters and running statistics may be double where tensors are float."""
        running = dict(running_mean=new([0] * 3, "d"), running_var=new([1] * 3, "d"))
        gamma = new([2] * 3, "d")
        saved = renorm.Norm().train(self.x, gamma, **running)
        self.assertEqual(memoryview(renorm.Norm().backward(self.x, self.x, saved, gamma).dgamma).format, "d")
        self.assertEqual([round(mean, 12) for mean in flat(running["running_mean"])], [0.35, 0.55, 0.75])


class GroupsAndMasks(TestCase):
    n, c, s = 6, 3, 5

    def tensor(self, seed):
        return new([(i * 37 + seed * 11) % 101 / 8 - 5 for i in range(self.n * self.c * self.s)], "f", (self.n, self.c, self.s))

    def step(self, norm, **mask):
        x, dy = self.tensor(1), self.tensor(2)
        saved = norm.train(x, **mask)
        return saved, norm.backward(x, dy, saved, **mask)

    def test_a_group_is_a_batch_of_its_own(self):
        members = {"contiguous": ((0, 1), (2, 3), (4,), (5,)), "interleaved": ((0, 4), (1, 5), (2,), (3,))}
        for order, groups in members.items():
            saved, gradients = self.step(renorm.Norm(groups=4, group_order=order))
            self.assertEqual(flat(saved.count), [len(samples) * self.s for samples in groups])
            for g, samples in enumerate(groups):
                size = self.c * self.s
                pick = lambda values: [value for i in samples for value in flat(values)[i * size:(i + 1) * size]]
                x, dy = (new(pick(self.tensor(seed)), "f", (len(samples), self.c, self.s)) for seed in (1, 2))
                one = renorm.Norm().train(x)
                dx = renorm.Norm().backward(x, dy, one).dx
                self.assertEqual((pick(saved.y), pick(gradients.dx)), (flat(one.y), flat(dx)))
                self.assertEqual(flat(saved.m2)[g * self.c:(g + 1) * self.c], flat(one.m2))

    def test_masked_positions_do_not_count(self):
        lengths = [5, 3, 0, 1, 4, 2]
        valid = [int(k < length) for length in lengths for k in range(self.s)]
        by_bytes = self.step(renorm.Norm(), mask=new(valid, "B", (self.n, self.s)))
        by_lengths = self.step(renorm.Norm(), mask=new(lengths, "q", (self.n,)))
        for one, other in zip(by_bytes, by_lengths):
            self.check_same(one, other, "bytes and lengths")
        self.assertEqual(flat(by_bytes[0].count), [sum(lengths)])
        for i in range(self.n * self.c * self.s):
            if not valid[i // (self.c * self.s) * self.s + i % self.s]:
                self.assertEqual((flat(by_bytes[0].y)[i], flat(by_bytes[1].dx)[i]), (0, 0))

    def test_narrow_lengths(self):
        """Lengths of 16 and 32 bits, as other libraries have them."""
        lengths, n, s = [5, 3, 0, 1, 4, 2], self.n, self.s
        want = self.step(renorm.Norm(), mask=new(lengths, "q"))
        for code in "hHiIl":
            for got, one in zip(self.step(renorm.Norm(), mask=new(lengths, code)), want):
                self.check_same(got, one, code)
        with self.assertRaisesRegex(renorm.Error, "args->mask.*-1"):
            renorm.Norm().train(self.tensor(1), mask=new([-1] * 6, "i"))

    def test_what_does_not_fit_is_an_error(self):
        for words, mask in [("mask of positions: 29 elements instead of 30", new([1] * 29, "B")),
                            ("mask of lengths: 7 elements instead of 6", new([1] * 7, "q")),
                            ("mask of lengths: 30 elements instead of 6", new([1] * 30, "i", (6, 5)))]:
            with self.assertRaisesRegex(ValueError, f"^{words}$"):
                renorm.Norm().train(self.tensor(1), mask=mask)
        with self.assertRaisesRegex(TypeError, "^mask: elements of type float32, not bool or uint8 or int8 or int64 or "):
            renorm.Norm().train(self.tensor(1), mask=new([1] * 30, "f", (30,)))
        with self.assertRaises(renorm.Error) as refused:
            renorm.Norm().train(self.tensor(1), mask=new([6] * 6, "q", (6,)))
        self.assertEqual(refused.exception.status, renorm.Status.VALUE)
        with self.assertRaisesRegex(ValueError, "^mean: 3 elements instead of 12$"):
            renorm.Norm(groups=4).backward(self.tensor(1), self.tensor(2), renorm.Norm().train(self.tensor(1)))


class Options(TestCase):
    BASE = dict(renorm=True, rmax=1.5, dmax=0.25, groups=2)  # with all of these being read
    OTHER = dict(layout="NHWC", eps=0.5, momentum=0.25, renorm=False, rmin=0.75, rmax=1.25, dmax=0.125, track="sigma", unbiased=True,
                 unbiased_running=True, keep_running=True, cumulative=True, skip_nonfinite=True, groups=4, group_order="interleaved",
                 relu=True)

    def step(self, norm):
        """All that a training step gives, as text: one value is NaN."""
        values = [(i * 37 % 101) / 8 - 5 for i in range(36)]
        values[-1] = math.nan
        x, running = new(values, "f", (4, 3, 3)), [new([1, 2, 3], "f"), new([4, 5, 60], "f"), new([5], "q")]
        return str([flat(array) for array in (*norm.train(x, None, None, *running), *running)])

    def options(self, norm):
        return {name: getattr(norm, name) for name in self.OTHER}

    def test_every_call_uses_what_is_set(self):
        before = self.step(renorm.Norm(**self.BASE))
        for name, value in self.OTHER.items():
            norm = renorm.Norm(**self.BASE)
            self.step(norm)
            setattr(norm, name, value)
            self.assertEqual(getattr(norm, name), value)
            self.assertEqual(self.step(norm), self.step(renorm.Norm(**{**self.BASE, name: value})), name)
            self.assertNotEqual(self.step(norm), before, name)

    def test_unknown_options(self):
        norm = renorm.Norm()
        with self.assertRaisesRegex(AttributeError, "r_max"):
            norm.r_max = 5
        with self.assertRaisesRegex(AttributeError, "train"):
            norm.train = None
        with self.assertRaisesRegex(TypeError, "r_max"):
            renorm.Norm(r_max=5)

    def test_choices(self):
        for name, value, words in [("layout", "nchw", "layout: 'nchw' instead of 'NCHW' or 'NHWC'"),
                                   ("layout", ["NHWC"], r"layout: \['NHWC'\] instead of 'NCHW' or 'NHWC'"),
                                   ("track", "mean", "track: 'mean' instead of 'var' or 'sigma'"),
                                   ("group_order", None, "group_order: None instead of 'contiguous' or 'interleaved'")]:
            norm = renorm.Norm()
            before = self.options(norm)
            for choose in (lambda: renorm.Norm(**{name: value}), lambda: setattr(norm, name, value)):
                with self.assertRaisesRegex(ValueError, f"^{words}$"):
                    choose()
            self.assertEqual(self.options(norm), before)

    def test_numbers(self):
        norm = renorm.Norm(rmin=new([0.5], "d")[0], groups=new([4], "q")[0])
        self.assertEqual((norm.rmin, norm.groups, norm.rmax), (0.5, 4, 3.0))
        norm.rmin = None
        for error, name, value, words in [(TypeError, "rmax", "3", "rmax: .*real number.*"), (TypeError, "eps", None, "eps: .*"),
                                          (TypeError, "groups", 2.0, "groups: .*integer.*"),
                                          (OverflowError, "groups", 2**64 + 4, "groups: 18446744073709551620 is beyond 64 bits"),
                                          (OverflowError, "dmax", 10**400, "dmax: .*")]:
            with self.assertRaisesRegex(error, f"^{words}$"):
                setattr(norm, name, value)
        with self.assertRaisesRegex(OverflowError, "^step: 18446744073709551616 is beyond 64 bits$"):
            renorm.ramp_at(2**64)
        with self.assertRaisesRegex(TypeError, "^warm: .*integer"):
            renorm.ramp_at(0, warm=1.5)
        with self.assertRaisesRegex(TypeError, "^sigma_floor: .*real number"):
            norm.correction(norm.moments(new([1] * 8, "f", (4, 2))), sigma_floor="0")

    def test_copies_and_text(self):
        norm = renorm.Norm(**self.OTHER)
        self.assertEqual(self.options(norm), self.OTHER)
        self.assertTrue(repr(norm).startswith("Norm(layout='NHWC', eps=0.5, momentum=0.25, renorm=False, rmin=0.75, "))
        for same in (copy.copy(norm), pickle.loads(pickle.dumps(norm)), eval(repr(norm), vars(renorm))):
            self.assertEqual(self.options(same), self.OTHER)


class Schedule(TestCase):
    """On x = [1, 3] over running statistics of 0 and 1: sigma is 1 and r = 1, (mean - running mean)/sigma is 2, d = min(2, dmax)."""

    def setUp(self):
        self.norm = renorm.Norm(renorm=True, eps=0, rmax=3, dmax=5, momentum=0, ramp=renorm.Ramp(warm=10, rmax_end=50, dmax_end=20))
        self.x, self.running = new([1, 3], "d", (2, 1)), dict(running_mean=new([0], "d"), running_var=new([1], "d"))

    def y(self, norm, **step):
        return flat(norm.train(self.x, **self.running, **step).y)

    def test_bounds_at_a_step(self):
        for step, dmax in [(0, 0), (10, 0), (11, 0.5), (13, 1.5), (20, 2), (10**9, 2)]:
            self.assertEqual(self.y(self.norm, step=step), [dmax - 1, dmax + 1])
            correction = self.norm.correction(self.norm.moments(self.x), **self.running, step=step)
            self.assertEqual(flat(correction.d), [dmax])
        self.running["running_var"][0] = 2.0**-4  # sigma/sigma_running = 4
        for step, r in [(10, 1), (30, 2), (40, 2.5), (50, 3)]:
            self.assertEqual(flat(self.norm.train(self.x, **self.running, step=step).r), [r])

    def test_options_are_the_final_bounds(self):
        self.norm.dmax = 1
        self.assertEqual([self.y(self.norm, step=step) for step in (15, 20)], [[-0.5, 1.5], [0, 2]])
        self.norm.ramp = self.norm.ramp._replace(warm=0)
        self.assertEqual(self.y(self.norm, step=10), [-0.5, 1.5])
        self.norm.ramp = None
        self.assertEqual(self.y(self.norm), [0, 2])

    def test_options_alone(self):
        norm = renorm.Norm(renorm=True, eps=0, momentum=0)
        for step in range(10, 20):
            norm.rmax, norm.dmax = renorm.ramp_at(step, 10, 50, 20)
            self.assertEqual(self.y(norm), self.y(self.norm, step=step))

    def test_the_default_is_the_paper_s(self):
        self.assertEqual(renorm.Ramp(), (5000, 40000, 25000))
        self.assertEqual(renorm.ramp_at(15000, *renorm.Ramp()), renorm.ramp_at(15000))

    def test_errors(self):
        with self.assertRaisesRegex(TypeError, "^step: needed, as the Norm has a ramp$"):
            self.y(self.norm)
        for error, words, step in [(renorm.Error, "step is below 0", -1), (TypeError, "^step: .*integer", 1.5)]:
            with self.assertRaisesRegex(error, words):
                self.y(self.norm, step=step)
        with self.assertRaisesRegex(TypeError, "^ramp: True instead of a Ramp or None$"):
            self.norm.ramp = True
        with self.assertRaisesRegex(TypeError, "^step: of no use, as the Norm has no ramp$"):
            self.y(renorm.Norm(renorm=True), step=1)


class Text(TestCase):
    """Results as text: names and values, not addresses."""

    def test_values(self):
        training = renorm.Norm(eps=0).train(new([1, 3], "f", (2, 1)))
        if WITH_NUMPY:
            self.assertRegex(repr(training), r"^Training\(y=array\(\[\[-1\.\],\n +\[ 1\.\]\], dtype=float32\), mean=array\(\[2\.\]\), ")
        else:
            self.assertEqual(repr(training), "Training(y=[[-1.0], [1.0]], mean=[2.0], sigma=[1.0], r=[1.0], d=[0.0], count=[2], "
                                             "nonfinite=[0], m2=[2.0])")
        self.assertEqual(str(training), repr(training))

    def test_every_result(self):
        norm, x, c = renorm.Norm(), new([1, 2, 3, 4], "f", (2, 2)), new([1, 1], "f")
        saved, moments = norm.train(x), norm.moments(x)
        for result in [saved, norm.backward(x, x, saved), moments, norm.correction(moments), norm.coefficients(saved.mean, saved.sigma),
                       norm.backward_reduce(x, x, saved.mean, saved.sigma), norm.fold(c, c)]:
            text = repr(result)
            self.assertTrue(text.startswith(type(result).__name__ + "(" + result._fields[0] + "="), text)
            self.assertNotRegex(text, "0x|memory")
            self.assertEqual(str(result._replace()), text)
        self.assertIn("dz=None", repr(norm.backward(x, x, saved)))

    def test_large_and_empty(self):
        large = repr(renorm.Norm().moments(new(range(4002), "f", (2, 2001))))
        self.assertLess(len(large), 500)
        self.assertRegex(large, r"1000\.5, +1001\.5, +1002\.5, +\.\.\., +2998\.5, +2999\.5, +3000\.5\]")
        shaped = renorm.Sums(memoryview(bytes(8008)).cast("d", (7, 11, 13)), memoryview(b""))
        self.assertEqual(repr(shaped), "Sums(dy=[0.0, 0.0, 0.0, ..., 0.0, 0.0, 0.0] of shape (7, 11, 13), dy_xhat=[])")


class Library(TestCase):
    def test_numpy(self):
        self.assertEqual(renorm.numpy is not None, WITH_NUMPY)

    def test_declarations_are_those_of_the_header(self):
        header = subprocess.run(["sh", ROOT / "tests/abi_dump.sh"], check=True, capture_output=True, text=True).stdout.splitlines()
        prefixes = [("RENORM_", renorm.Layout), ("RENORM_", renorm.Dtype), ("RENORM_ISA_", renorm.Isa), ("RENORM_OP_", renorm.Op),
                    ("RENORM_FLAG_", renorm.Flag), ("RENORM_GROUPS_", renorm.GroupOrder), ("RENORM_MASK_", renorm.MaskKind),
                    ("RENORM_EPILOGUE_", renorm.Epilogue)]
        constants = [(prefix + member.name, int(member)) for prefix, members in prefixes for member in members]
        constants += [("RENORM_OK" if member == 0 else "RENORM_ERROR_" + member.name, int(member)) for member in renorm.Status]
        constants += zip(("RENORM_VERSION_MAJOR", "RENORM_VERSION_MINOR", "RENORM_VERSION_PATCH"), renorm.VERSION)
        constants.append(("RENORM_EXPLAIN_BYTES", renorm.EXPLAIN_BYTES))
        declared = [f"const {name} {value}" for name, value in constants]
        for struct in renorm._STRUCTS.values():
            declared.append(f"sizeof {struct.__name__} {renorm.ctypes.sizeof(struct)}")
            declared += [f"offsetof {struct.__name__} {name} {getattr(struct, name).offset}" for name, _ in struct._fields_]
        self.assertEqual(sorted(declared), sorted(header))

    def test_isa_of_an_unknown_name(self):
        program = """if True:
            import renorm
            try:
                renorm.Norm().train(memoryview(bytes(4)).cast("f", (1, 1)))
            except renorm.Error as error:
                print(renorm.active_isa().name, error.status.name, error)"""
        said = subprocess.run([sys.executable, "-S", "-c", program], check=True, capture_output=True, text=True, cwd=HERE,
                              env=dict(os.environ, RENORM_MAX_ISA="none such")).stdout
        self.assertRegex(said, "^NONE ISA renorm_train: .*RENORM_MAX_ISA")

    def test_version_and_isa(self):
        self.assertGreaterEqual(renorm.version(), renorm.VERSION)
        self.assertIn(".".join(map(str, renorm.version())), renorm.build_info())
        active = renorm.active_isa()
        renorm.set_max_isa(active)
        limit = os.environ.get("RENORM_MAX_ISA", renorm.best_isa().name)
        self.assertEqual(active, min(renorm.Isa[limit.upper()], renorm.best_isa()))
        self.assertIn(active.name.lower(), renorm.build_info())

    def test_readme(self):
        examples = re.findall(r"^```python\n(.*?)^```", (HERE / "README.md").read_text(), re.M | re.S)
        self.assertEqual(len(examples), 3)
        exec("".join(examples), {})


class Threads(TestCase):
    def test_eight_at_once(self):
        tensors = [new([math.sin(i * (k + 1)) for i in range(8 * 6 * 10)], "f", (8, 6, 10)) for k in range(8)]
        alone = [renorm.Norm().train(x) for x in tensors]
        together = [[] for _ in tensors]
        threads = [threading.Thread(target=lambda k=k: together[k].extend(renorm.Norm().train(tensors[k]) for _ in range(50)))
                   for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for results, single in zip(together, alone):
            self.assertEqual(len(results), 50)
            for result in results:
                self.check_same(result, single, "together")


class LentThreads(TestCase):
    def test_the_same_bits(self):
        values = [math.sin(i) for i in range(64 * 16 * 64)]
        x, norm = new(values, "f", (64, 16, 64)), renorm.Norm(relu=True)
        want = norm.train(x)
        want_dx = norm.backward(x, x, want).dx
        for threads in (1, 2, 3, 0, None):
            norm.threads = threads
            self.check_same(norm.train(x), want, f"{threads} threads")
            self.check_same([norm.backward(x, x, want).dx], [want_dx], f"{threads} threads")

    def test_team(self):
        """Nothing is loaded before threads are needed, and then there are as many."""
        program = """if True:
            import os
            import renorm
            x, norm = memoryview(bytes(4 << 20)).cast("f", (64, 64, 256)), renorm.Norm()
            def state():
                return len(os.listdir("/proc/self/task")), "renorm_openmp" in open("/proc/self/maps").read()
            norm.threads = 1
            norm.train(x)
            before = state()
            norm.threads = 4
            norm.train(x)
            print(before, state())"""
        self.assertEqual(output_of(program, os.environ["RENORM_LIBRARY"]), "(1, False) (4, True)\n")

    def test_without_the_library(self):
        program = """if True:
            import renorm
            x, norm = memoryview(bytes(4)).cast("f", (1, 1)), renorm.Norm(threads=2)
            for _ in range(2):
                try:
                    norm.train(x)
                except OSError as error:
                    print(error)
            norm.threads = 1
            print(norm.train(x).count[0])"""
        with tempfile.TemporaryDirectory() as alone:
            library = shutil.copy(os.environ["RENORM_LIBRARY"], alone)
            refusal = f"threads: librenorm_openmp is needed: {alone}/librenorm_openmp.so.0: cannot open shared object file: .*\n"
            self.assertRegex(output_of(program, library), f"^({refusal}){{2}}1\n$")

    def test_errors(self):
        norm = renorm.Norm()
        for error, words, threads in [(TypeError, "^threads: .*integer", 1.5),
                                      (OverflowError, "^threads: 2147483648 is beyond 32 bits$", 2**31)]:
            with self.assertRaisesRegex(error, words):
                norm.threads = threads
        norm.threads = -1
        with self.assertRaisesRegex(renorm.Error, "^renorm_openmp_init: threads is -1$") as refused:
            norm.train(new([1, 2], "f", (2, 1)))
        self.assertIs(refused.exception.status, renorm.Status.VALUE)


class Explain(TestCase):
    def call(self, norm, op, x, **given):
        """What stands before the colon."""
        line = norm.explain(op, x, **given)
        self.assertIn(f": {renorm.active_isa().name.lower()}; l2 ", line)
        return line.split(": ")[0]

    def test_calls(self):
        norm, x = renorm.Norm(), new([0] * 60, "f", (3, 4, 5))
        self.assertEqual(self.call(norm, "train", x), "train/nchw/f32/3x4x5/t1")
        self.assertEqual(self.call(norm, "train", (32, 64, 112, 112)), "train/nchw/f32/32x64x12544/t1")
        self.assertEqual(self.call(norm, "inference", new([0] * 60, "d", (12, 5))), "inference/nchw/f64/12x5x1/t1")
        double, ones = new([1] * 4, "d"), new([1] * 4, "f")
        self.assertEqual(self.call(norm, "backward", x, gamma=double, beta=double), "backward/nchw/f32/3x4x5/t1/params=f64")
        self.assertEqual(self.call(norm, "train", x, gamma=ones, beta=ones, running_mean=double, running_var=double, z=x),
                         "train/nchw/f32/3x4x5/t1/stats=f64/add")
        self.assertEqual(self.call(norm, "moments", (3, 4, 5), mask=new([1] * 3, "q")), "moments/nchw/f32/3x4x5/t1/mask=lengths")
        norm = renorm.Norm(layout="NHWC", renorm=True, rmax=2, eps=1e-3, groups=3, relu=True, threads=2)
        self.assertEqual(self.call(norm, "backward_apply", x, mask=new([1] * 12, "B")),
                         "backward_apply/nhwc/f32/3x5x4/t2/batch_renorm/relu/groups=3/mask=bytes/eps=0.001/rmax=2")

    def test_every_operation(self):
        for op in renorm.Op:
            self.assertEqual(self.call(renorm.Norm(), op.name.lower(), (2, 3, 4)), f"{op.name.lower()}/nchw/f32/2x3x4/t1")

    def test_step(self):
        norm = renorm.Norm(renorm=True, rmax=3, dmax=5, ramp=renorm.Ramp(warm=0, rmax_end=40, dmax_end=10))
        self.assertEqual(self.call(norm, "train", (2, 3), step=20), "train/nchw/f32/2x3x1/t1/batch_renorm/rmax=2")
        self.assertEqual(self.call(norm, "backward", (2, 3)), "backward/nchw/f32/2x3x1/t1/batch_renorm")

    def test_refused(self):
        with self.assertRaisesRegex(renorm.Error, "^renorm_explain: desc->eps is -1") as refused:
            renorm.Norm(eps=-1).explain("train", (2, 3))
        self.assertIs(refused.exception.status, renorm.Status.VALUE)
        for error, words, arguments in [
                (ValueError, "^op: 'Train' instead of 'train' or 'inference' or ", ("Train", (2, 3))),
                (ValueError, r"^x: shape \(2,\)", ("train", (2,))), (TypeError, "^x: .*integer", ("train", (2, 1.5))),
                (OverflowError, "^x: [0-9]* is beyond 64 bits", ("train", (0, 1, 2**40, 2**40))),
                (ValueError, r"^x: shape \(-1, 2\): an extent is negative", ("train", (-1, 2))),
                (ValueError, "negative", ("train", (2, 3, -4, -5)))]:
            with self.assertRaisesRegex(error, words):
                renorm.Norm().explain(*arguments)
        with self.assertRaisesRegex(ValueError, "^mask of lengths: 2 elements instead of 3$"):
            renorm.Norm().explain("train", (3, 2), mask=new([1, 1], "q"))


class Trace(TestCase):
    def setUp(self):
        self.addCleanup(renorm.set_trace, None)
        self.told = []

    def tell(self, line, microseconds):
        self.told.append((threading.get_ident(), line, microseconds))

    def test_two_threads(self):
        made, both = {}, threading.Barrier(2)

        def calls(c):
            norm, x = renorm.Norm(), new([1] * 4 * c * 5, "f", (4, c, 5))
            for _ in range(50):
                norm.train(x)
            made[threading.get_ident()] = [norm.explain("train", x)] * 50
            both.wait()  # or the other could be given the same identity

        renorm.set_trace(self.tell)
        start = time.perf_counter()
        threads = [threading.Thread(target=calls, args=(c,)) for c in (2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        longest = (time.perf_counter() - start) * 1e6
        self.assertEqual({thread: [told[1] for told in self.told if told[0] == thread] for thread, _, _ in self.told}, made)
        self.assertEqual(len(made), 2)
        for _, _, microseconds in self.told:
            self.assertTrue(0 < microseconds < longest)

    def test_on_and_off(self):
        norm, x, others = renorm.Norm(), new([1, 3], "f", (2, 1)), []
        renorm.set_trace(self.tell)
        with self.assertRaises(renorm.Error):
            renorm.Norm(renorm=True).train(x)
        norm.explain("train", x)
        self.assertEqual(self.told, [])
        norm.train(x)
        renorm.set_trace(lambda line, microseconds: others.append(line))
        norm.train(x)
        norm.moments(x)
        renorm.set_trace(None)
        norm.train(x)
        self.assertEqual((len(self.told), others), (1, [norm.explain("train", x), norm.explain("moments", x)]))
        with self.assertRaisesRegex(TypeError, "^function: 1 instead of a function or None$"):
            renorm.set_trace(1)

    def test_only_the_library_has_it(self):
        """Neither the function nor what calls it is freed, though nothing here refers to them."""
        renorm.set_trace(lambda line, microseconds: self.tell(line, microseconds))
        gc.collect()
        renorm.Norm().moments(new([1, 3], "f", (2, 1)))
        self.assertEqual(len(self.told), 1)

    def test_replaced_while_calls_run(self):
        x, counted = new([1, 3], "f", (2, 1)), itertools.count()

        def calls():
            for _ in range(500):
                renorm.Norm().moments(x)

        threads = [threading.Thread(target=calls) for _ in range(2)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            renorm.set_trace(lambda line, microseconds: next(counted))
            renorm.set_trace(None)
        for thread in threads:
            thread.join()

    def test_an_exception(self):
        printed = []

        def throws(line, microseconds):
            raise ValueError(line)

        renorm.set_trace(throws)
        self.addCleanup(setattr, sys, "unraisablehook", sys.unraisablehook)
        sys.unraisablehook = lambda raised: printed.append(str(raised.exc_value))
        norm, x = renorm.Norm(eps=0), new([1, 3], "f", (2, 1))
        self.assertEqual(flat(norm.train(x).y), [-1, 1])
        self.assertEqual(printed, [norm.explain("train", x)])

    def test_the_end_of_the_program(self):
        program = """if True:
            import atexit
            atexit.register(lambda: renorm.Norm().train(x))  # after what renorm does there
            import renorm
            x = memoryview(bytes(4)).cast("f", (1, 1))
            renorm.set_trace(lambda line, microseconds: print(line[:16]))
            renorm.Norm().train(x)"""
        self.assertEqual(output_of(program, os.environ["RENORM_LIBRARY"]), "train/nchw/f32/1\n")


if __name__ == "__main__":
    unittest.main()
