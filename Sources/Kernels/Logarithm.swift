import Glibc

/// The natural logarithm, by the C library.
func logarithm(_ x: Double) -> Double { Glibc.log(x) }
