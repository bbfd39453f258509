// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "tpplan",
  products: [
    .executable(name: "tpplan", targets: ["tpplan"]),
    // What tests open in place of CUDA's libraries.
    .library(name: "CUDAStub", type: .dynamic, targets: ["CUDAStub"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .target(name: "PlanIR", swiftSettings: strict),
    .target(name: "Formats", dependencies: ["PlanIR"], swiftSettings: strict),
    .target(name: "Partitioner", dependencies: ["PlanIR"], swiftSettings: strict),
    .target(name: "Kernels", dependencies: ["PlanIR", "COpenBLAS"], swiftSettings: strict),
    .target(name: "Executor", dependencies: ["PlanIR", "Kernels"], swiftSettings: strict),
    .target(name: "Reference", dependencies: ["PlanIR", "COpenBLAS"], swiftSettings: strict),
    .target(
      name: "Proof", dependencies: ["PlanIR", "Executor", "Reference"], swiftSettings: strict),
    .target(
      name: "Calibration", dependencies: ["PlanIR", "Kernels", "Executor"],
      swiftSettings: strict),
    .target(
      name: "TimingStore",
      dependencies: ["PlanIR", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: strict),
    .executableTarget(
      name: "tpplan",
      dependencies: [
        "PlanIR", "Formats", "Partitioner", "Kernels", "Executor", "Reference", "Proof",
        "Calibration", "TimingStore",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "LoneMatmul",
      dependencies: [
        "PlanIR", "Partitioner", "Kernels", "Executor",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Benchmarks/LoneMatmul", swiftSettings: strict),
    .executableTarget(
      name: "ProductPrices",
      dependencies: [
        "PlanIR", "Formats",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Benchmarks/ProductPrices", swiftSettings: strict),
    .target(name: "CUDAStub", path: "Tests/CUDAStub"),
    .target(
      name: "TestSupport",
      dependencies: ["PlanIR", "Formats", "Partitioner", "Executor", "Reference", "Proof"],
      path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "PlanIRTests", dependencies: ["PlanIR", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "FormatsTests", dependencies: ["PlanIR", "Formats", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "PartitionerTests", dependencies: ["PlanIR", "Formats", "Partitioner", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "KernelsTests", dependencies: ["PlanIR", "Kernels", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "ExecutorTests",
      dependencies: [
        "PlanIR", "Formats", "Partitioner", "Executor", "Reference", "Proof", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ReferenceTests", dependencies: ["PlanIR", "Reference", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "CalibrationTests",
      dependencies: [
        "PlanIR", "Formats", "Partitioner", "Kernels", "Executor", "Calibration", "TimingStore",
        "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TimingStoreTests",
      dependencies: [
        "PlanIR", "Formats", "Calibration", "TimingStore", "TestSupport",
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "tpplan", "PlanIR", "Formats", "TimingStore", "TestSupport",
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
