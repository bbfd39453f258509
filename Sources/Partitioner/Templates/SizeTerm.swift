import PlanIR

/// A size that a template leaves open: a constant, times the batch and the padded vocabulary where a
/// tensor has them, over the parts of axes that split it; then cut into chunks, the largest counting.
struct SizeTerm: Hashable {
  var constant = 1
  var hasBatch = false
  var hasVocabulary = false
  /// Into how many panels the vocabulary is cut.
  var panels = 1
  var split = PartSet()
  var chunks = PartSet()

  /// The product of two sizes that no part splits twice.
  func times(_ other: SizeTerm) -> SizeTerm {
    SizeTerm(
      constant: constant * other.constant, hasBatch: hasBatch || other.hasBatch,
      hasVocabulary: hasVocabulary || other.hasVocabulary, panels: panels * other.panels,
      split: split.union(other.split))
  }

  func value(_ instance: InstanceSizes) -> Int {
    let factor =
      (hasBatch ? instance.batch : 1) * (hasVocabulary ? instance.vocabulary / panels : 1)
    // What all devices do together may be more than 64 bits hold; one device's share is not.
    let whole = constant.multipliedFullWidth(by: factor)
    let value = split.groupSize(instance.parts).dividingFullWidth(whole).quotient
    guard !chunks.isEmpty else { return value }
    let count = chunks.groupSize(instance.parts)
    return (value + count - 1) / count
  }
}

/// What fills a template in.
struct InstanceSizes {
  var batch: Int
  var vocabulary: Int
  /// The size of each part of the mesh's axes.
  var parts: [Int]
}

/// How local sizes of tensors are told: as they are, or in terms of parts of axes.
enum SizeReader {
  case local
  case parts(AxisParts, vocabulary: Int)

  /// The local size of those dimensions of `type` that `isIncluded` accepts.
  func term(_ type: TensorType, where isIncluded: (Dimension) -> Bool = { _ in true }) -> SizeTerm {
    var term = SizeTerm()
    for (index, dimension) in type.dimensions.enumerated() where isIncluded(dimension) {
      let (size, axes) = (type.sizes[index], type.sharding.dimensions[index])
      guard case .parts(let parts, let vocabulary) = self else {
        term.constant *= size / axes.groupSize
        continue
      }
      switch dimension {
      case .batch: term.hasBatch = true
      case .vocabulary:
        term.hasVocabulary = true
        term.panels = max(1, vocabulary / max(1, size))
      default: term.constant *= size
      }
      if !axes.isEmpty { term.split = term.split.union(parts.set(axes)) }
    }
    return term
  }

  /// The elements that one device holds of `type`.
  func count(_ type: TensorType) -> SizeTerm {
    var term = term(type)
    guard !type.sharding.chunks.isEmpty else { return term }
    switch self {
    case .local: term.constant = type.localCount
    case .parts(let parts, _): term.chunks = parts.set(type.sharding.chunks)
    }
    return term
  }
}

/// The terms of a template, each once, in the order in which they came up.
struct TermTable {
  private(set) var terms: [SizeTerm] = []

  init() {}

  mutating func place(of term: SizeTerm) -> Int {
    // There are few enough that a look through them is the fastest.
    if let known = terms.firstIndex(of: term) { return known }
    terms.append(term)
    return terms.count - 1
  }
}
