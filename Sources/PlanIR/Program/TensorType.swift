/// A tensor's named dimensions, their whole sizes, and how devices share them.
package struct TensorType: Hashable, Sendable {
  package var dimensions: [Dimension]
  /// Whole sizes, padded where the plan pads.
  package var sizes: [Int]
  package var sharding: Sharding
  package var width: ValueWidth

  package init(dimensions: [Dimension], sizes: [Int], sharding: Sharding, width: ValueWidth) {
    self.dimensions = dimensions
    self.sizes = sizes
    self.sharding = sharding
    self.width = width
  }

  /// Sizes of one device's part.
  package var localSizes: [Int] {
    zip(sizes, sharding.dimensions).map { $0 / $1.groupSize }
  }

  /// Elements of one device's part before it is cut into chunks.
  package var blockCount: Int { localSizes.reduce(1, *) }

  /// Elements that one device holds; where chunks differ, the last device, which has the largest of
  /// every tensor: `E - floor((g-1)E/g) = ceil(E/g)`.
  package var localCount: Int {
    let parts = sharding.chunks.groupSize
    return (blockCount + parts - 1) / parts
  }

  /// The elements of its part, flattened, that `device` holds: chunk c of g is
  /// `floor(cE/g)..<floor((c+1)E/g)`.
  package func chunk(on device: Int, in mesh: Mesh) -> Range<Int> {
    let (count, parts) = (blockCount, sharding.chunks.groupSize)
    guard parts > 1 else { return 0..<count }
    let index = mesh.index(of: device, along: sharding.chunks)
    return index * count / parts..<(index + 1) * count / parts
  }

  /// The place of a dimension, or nil where the tensor has none of that name.
  package func index(of dimension: Dimension) -> Int? { dimensions.firstIndex(of: dimension) }

  /// The local size of a dimension; 1 where the tensor has none of that name.
  package func localSize(_ dimension: Dimension) -> Int {
    index(of: dimension).map { localSizes[$0] } ?? 1
  }

  /// The axes that split a dimension; none where the tensor has none of that name.
  package func axes(of dimension: Dimension) -> [AxisReference] {
    index(of: dimension).map { sharding.dimensions[$0] } ?? []
  }

  /// Where `device`'s part begins along each dimension.
  package func offsets(on device: Int, in mesh: Mesh) -> [Int] {
    zip(localSizes, sharding.dimensions).map { $0 * mesh.index(of: device, along: $1) }
  }

  /// Where `device`'s part begins along one dimension.
  package func offset(of dimension: Dimension, on device: Int, in mesh: Mesh) -> Int {
    localSize(dimension) * mesh.index(of: device, along: axes(of: dimension))
  }
}
