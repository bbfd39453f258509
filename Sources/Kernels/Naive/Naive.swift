/// Kernels as their definitions read, on arrays of doubles: what the fast kernels are tested
/// against. No care is taken for speed.
package enum Naive {}
