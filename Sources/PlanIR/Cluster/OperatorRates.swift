/// How a framework runs kernels of a family: memory is read and written `traffic` times what the program
/// says, in `launches` kernels.
package struct OperatorRate: Hashable, Sendable {
  package var traffic: Double
  package var launches: Int

  package init(traffic: Double = 1, launches: Int = 1) {
    (self.traffic, self.launches) = (traffic, launches)
  }
}

/// How fast a device computes fused attention, forward or backward.
///
/// A processor takes a block of queries at a time, through the keys that they see and those that the mask
/// removes of the last block; the last blocks leave processors idle.
package struct AttentionRate: Hashable, Sendable {
  /// Seconds that do not depend on sizes.
  package var startSeconds: Double
  /// Fraction of the matmul peak at the best head width.
  package var efficiency: Double
  /// Fractions of that at other head widths, by width, ascending; between them straight lines.
  package var widths: [Width]
  /// Keys that each query sees beside those of its mask.
  package var moreKeys: Double
  /// Blocks a processor that all of it takes longer.
  package var moreBlocks: Double
  /// Queries of a block, and processors, each of which computes a block at a time.
  package var block, processors: Int

  /// A head width.
  package struct Width: Hashable, Sendable {
    package var width: Int
    package var factor: Double

    package init(width: Int, factor: Double) { (self.width, self.factor) = (width, factor) }
  }

  package init(
    startSeconds: Double, efficiency: Double, widths: [Width], moreKeys: Double,
    moreBlocks: Double, block: Int, processors: Int
  ) {
    (self.startSeconds, self.efficiency, self.widths) = (startSeconds, efficiency, widths)
    (self.moreKeys, self.moreBlocks) = (moreKeys, moreBlocks)
    (self.block, self.processors) = (block, processors)
  }

  /// Seconds of `flops` of `work`, on a device that multiplies at `peak` FLOP/s.
  package func seconds(flops: Double, _ work: AttentionWork, peak: Double) -> Double {
    let seen = work.seenKeys
    let perQuery = Double(work.products) * 2 * seen * Double(work.headWidth)
    let blocks = flops / perQuery / Double(block * processors)
    let all = flops * (seen + moreKeys) / seen * (1 + moreBlocks / max(blocks, 1e-3))
    return startSeconds + all / (peak * efficiency * factor(work.headWidth))
  }

  private func factor(_ width: Int) -> Double {
    guard let next = widths.firstIndex(where: { $0.width >= width }) else {
      return widths.last?.factor ?? 1
    }
    let right = widths[next]
    guard next > 0, right.width != width else { return right.factor }
    let left = widths[next - 1]
    let part = Double(width - left.width) / Double(right.width - left.width)
    return left.factor + part * (right.factor - left.factor)
  }
}

/// What a kernel of fused attention does, beside its number of operations.
package struct AttentionWork: Hashable, Sendable {
  /// Products of a query with a key, or of their weights with values: two forward, five backward.
  package var products: Int
  /// Keys at hand that a query sees on average.
  package var seenKeys: Double
  package var headWidth: Int

  package init(products: Int, seenKeys: Double, headWidth: Int) {
    (self.products, self.seenKeys, self.headWidth) = (products, seenKeys, headWidth)
  }
}

/// How a framework runs what is no product.
package struct OperatorRates: Hashable, Sendable {
  /// Of families that are not run as the program has them.
  package var families: [KernelFamily: OperatorRate] {
    didSet { all = Self.all(families) }
  }
  /// By number of family.
  package private(set) var all: [OperatorRate]
  package var attention, attentionGradient: AttentionRate?
  /// Processor seconds in which a kernel is launched: bodies take no less than that for all of theirs.
  package var hostSeconds: Double
  /// Whether a layer that is computed again in full is computed with what nothing depends on.
  package var recomputesWhole: Bool
  /// Bytes of gradients that are reduced together once a step; nil where each tensor is by itself.
  package var gradientBucket: Bytes?
  /// Whether these are reduced while the last backward pass goes on, and shards of parameters are exchanged beside the
  /// kernels of every micro-batch.
  package var overlapsGradients: Bool
  /// Bytes a logit that the framework's loss holds beside what the program does.
  package var logitBytes: Int

  package init(
    families: [KernelFamily: OperatorRate] = [:], attention: AttentionRate? = nil,
    attentionGradient: AttentionRate? = nil, hostSeconds: Double = 0,
    recomputesWhole: Bool = false, gradientBucket: Bytes? = nil,
    overlapsGradients: Bool = false, logitBytes: Int = 0
  ) {
    self.families = families
    all = Self.all(families)
    (self.attention, self.attentionGradient) = (attention, attentionGradient)
    self.hostSeconds = hostSeconds
    self.recomputesWhole = recomputesWhole
    self.gradientBucket = gradientBucket
    self.overlapsGradients = overlapsGradients
    self.logitBytes = logitBytes
  }

  private static func all(_ families: [KernelFamily: OperatorRate]) -> [OperatorRate] {
    KernelFamily.allCases.map { families[$0] ?? OperatorRate() }
  }
}
