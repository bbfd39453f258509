import PlanIR

/// The panel loops of SUMMA (van de Geijn and Watts, 1997), of which there are three by what moves:
///
/// - AB: panels of both operands are broadcast, products added up;
/// - AB^T: panels of the second are broadcast, panels of the result reduced to whom they belong;
/// - A^T B: panels of the first are broadcast, panels of the result reduced.
///
/// All are one loop over the panels of a dimension: whatever operand has it sends its panel, whatever
/// result has it is summed panel by panel. Where operands are split by different numbers, r and c,
/// there are `lcm(r, c)` panels, each a part of what one device holds.
extension BlockLowering {
  /// Lowers the products of one loop.
  mutating func lower(_ product: PanelProduct) throws(ConstraintViolation) {
    let loop = try panelLoop(product)
    var panels: [PanelKey: BufferID] = [:]
    for index in 0..<loop.count {
      panels.removeAll()
      for item in loop.items {
        var reads: [BufferID] = []
        for operand in item.operands {
          reads.append(try read(operand, index, loop, &panels))
        }
        try multiply(item, reads, index, loop, &panels)
      }
      try finish(panels, index, loop)
    }
    try contribute(loop, product)
  }

  /// A panel of a value, moved or being summed.
  private struct PanelKey: Hashable {
    let value: ValueID
    let isResult: Bool
  }

  /// One operand or result of a product in a loop.
  private struct Piece {
    let value: ValueID
    /// The operand as it is at hand, or where the result is put together.
    let buffer: BufferID
    /// The axes that split the loop's dimension where it is stored; nil where it has none of it.
    let owners: [AxisReference]?
  }

  private struct LoopItem {
    let operation: GraphOperation
    let operands: [Piece]
    let result: Piece
  }

  private struct PanelLoop {
    let dimension: Dimension
    let count: Int
    let items: [LoopItem]
  }

  private mutating func panelLoop(
    _ product: PanelProduct
  ) throws(ConstraintViolation) -> PanelLoop {
    var items: [LoopItem] = []
    var results: [ValueID: Piece] = [:]
    var count = 1
    for operation in product.operations {
      let axes = context.assignment(of: operation, in: graph)
      var operands: [Piece] = []
      for input in operation.inputs { operands.append(try piece(input, operation, axes, product)) }
      let output = operation.outputs[0]
      let known = results[output]
      let result = if let known { known } else { try resultPiece(output, operation, axes, product) }
      results[output] = result
      items.append(LoopItem(operation: operation, operands: operands, result: result))
      for owners in (operands + [result]).compactMap(\.owners) {
        count = leastCommonMultiple(count, owners.groupSize)
      }
    }
    return PanelLoop(dimension: product.dimension, count: count, items: items)
  }

  /// An operand as the loop reads it: as it is computed with, but for the loop's dimension, which is
  /// split as it is stored.
  private mutating func piece(
    _ value: ValueID, _ operation: GraphOperation, _ axes: DimensionAxes, _ product: PanelProduct
  ) throws(ConstraintViolation) -> Piece {
    let dimensions = graph.values[value].dimensions
    let partial = context.operandPartial(value, of: operation, axes, in: graph)
    guard let place = dimensions.firstIndex(of: product.dimension) else {
      let wanted = axes.sharding(of: dimensions).with(unreduced: partial)
      return Piece(value: value, buffer: try obtain(value, wanted), owners: nil)
    }
    let owners = context.storedForm(of: value, in: graph).dimensions[place]
    var split = axes
    split[product.dimension] = owners
    let wanted = split.sharding(of: dimensions).with(unreduced: partial)
    return Piece(value: value, buffer: try obtain(value, wanted), owners: owners)
  }

  /// A result: one that has the loop's dimension is put together from panels, split as it is stored
  /// and no longer partial over those who hold its panels.
  private mutating func resultPiece(
    _ value: ValueID, _ operation: GraphOperation, _ axes: DimensionAxes, _ product: PanelProduct
  ) throws(ConstraintViolation) -> Piece {
    let description = graph.values[value]
    let sharding = context.panelSum(of: value, operation, axes, product.dimension, in: graph)
    let owners = description.dimensions.firstIndex(of: product.dimension)
      .map { sharding.dimensions[$0] }
    let type = try context.type(description, sharding)
    return Piece(
      value: value, buffer: current.addTransient(description.name, type), owners: owners)
  }

  /// The type of one panel of `piece`, which every device has whole, partial over `unreduced`.
  private func panelType(
    _ piece: Piece, _ loop: PanelLoop, unreduced: [AxisReference]
  ) -> TensorType {
    var type = current.buffers[piece.buffer].type
    guard let place = type.index(of: loop.dimension) else { return type }
    var dimensions = type.sharding.dimensions
    dimensions[place] = []
    type.sizes[place] /= loop.count
    type.sharding = Sharding(
      dimensions: dimensions, unreduced: type.sharding.unreduced + unreduced)
    return type
  }

  /// An operand's panel: sent by the device that holds it to all that multiply by it.
  private mutating func read(
    _ piece: Piece, _ index: Int, _ loop: PanelLoop, _ panels: inout [PanelKey: BufferID]
  ) throws(ConstraintViolation) -> BufferID {
    guard let owners = piece.owners else { return piece.buffer }
    let key = PanelKey(value: piece.value, isResult: false)
    if let known = panels[key] { return known }
    let each = loop.count / owners.groupSize
    let panel = current.addTransient(
      graph.values[piece.value].name + ".panel", panelType(piece, loop, unreduced: []))
    if each > 1 {
      let part = Panel(of: loop.dimension, index: index % each, count: each)
      current.emit(KernelCall(.panel(part), reads: [piece.buffer], writes: [panel]))
    }
    if !owners.isEmpty {
      current.emit(
        .broadcast(root: DeviceExpression(index / each)), over: owners,
        from: each > 1 ? panel : piece.buffer, into: panel)
    }
    panels[key] = panel
    return panel
  }

  /// Multiplies one panel's operands, and adds to what the loop has of the result so far.
  private mutating func multiply(
    _ item: LoopItem, _ reads: [BufferID], _ index: Int, _ loop: PanelLoop,
    _ panels: inout [PanelKey: BufferID]
  ) throws(ConstraintViolation) {
    let part = Panel(of: loop.dimension, index: index, count: loop.count)
    guard let owners = item.result.owners else {
      current.emit(
        call(
          item.operation, reads, [item.result.buffer], accumulate: index > 0, panel: part))
      return
    }
    let key = PanelKey(value: item.result.value, isResult: true)
    let known = panels[key]
    let panel =
      known
      ?? current.addTransient(
        graph.values[item.result.value].name + ".panel",
        panelType(item.result, loop, unreduced: owners))
    panels[key] = panel
    current.emit(
      call(item.operation, reads, [panel], accumulate: known != nil, panel: part))
  }

  /// Sums the result's panels on the devices that they belong to.
  private mutating func finish(
    _ panels: [PanelKey: BufferID], _ index: Int, _ loop: PanelLoop
  ) throws(ConstraintViolation) {
    var finished: Set<ValueID> = []
    for item in loop.items where finished.insert(item.result.value).inserted {
      let key = PanelKey(value: item.result.value, isResult: true)
      guard let owners = item.result.owners, let panel = panels[key] else { continue }
      let each = loop.count / owners.groupSize
      let root = DeviceExpression(index / each)
      if each == 1 {
        current.emit(.reduce(root: root, .sum), over: owners, from: panel, into: item.result.buffer)
        continue
      }
      var sum = panel
      if !owners.isEmpty {
        sum = current.addTransient(
          graph.values[item.result.value].name + ".sum",
          panelType(item.result, loop, unreduced: []))
        current.emit(.reduce(root: root, .sum), over: owners, from: panel, into: sum)
      }
      let part = Panel(of: loop.dimension, index: index % each, count: each)
      current.emit(
        KernelCall(
          .place(part, owner: index / each, over: owners), reads: [sum],
          writes: [item.result.buffer]))
    }
  }

  /// Hands each result on as if its own operation had just computed it.
  private mutating func contribute(
    _ loop: PanelLoop, _ product: PanelProduct
  ) throws(ConstraintViolation) {
    let here = position
    var contributed: Set<ValueID> = []
    for (item, place) in zip(loop.items, product.positions) {
      guard contributed.insert(item.result.value).inserted else { continue }
      position = max(here, place)
      try contribute(item.result.value, item.result.buffer)
    }
    position = here
  }
}

func leastCommonMultiple(_ first: Int, _ second: Int) -> Int {
  first / greatestCommonDivisor(first, second) * second
}
