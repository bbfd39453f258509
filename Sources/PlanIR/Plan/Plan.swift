/// A parallelism plan: what was asked, what was chosen, what was predicted.
package struct Plan: Hashable, Sendable {
  package var model: Model
  package var cluster: Cluster
  package var workload: Workload
  package var choices: PlanChoices
  package var predicted: Prediction

  package init(
    model: Model, cluster: Cluster, workload: Workload, choices: PlanChoices,
    predicted: Prediction
  ) {
    self.model = model
    self.cluster = cluster
    self.workload = workload
    self.choices = choices
    self.predicted = predicted
  }
}

/// What a plan costs.
package struct Prediction: Hashable, Sendable {
  package var step: Picoseconds
  /// Model FLOPs of a step over what the devices could do in its time.
  package var utilization: Double
  package var breakdown: Breakdown
  package var memory: MemoryUse
  package var communication: [Traffic]

  package init(
    step: Picoseconds, utilization: Double, breakdown: Breakdown, memory: MemoryUse,
    communication: [Traffic]
  ) {
    self.step = step
    self.utilization = utilization
    self.breakdown = breakdown
    self.memory = memory
    self.communication = communication
  }

  /// Where a step's time goes, on the stage that ends last; the sum is the step.
  package struct Breakdown: Hashable, Sendable {
    package var compute, communicationExposed, bubble, optimizer: Picoseconds

    package init(
      compute: Picoseconds = .zero, communicationExposed: Picoseconds = .zero,
      bubble: Picoseconds = .zero, optimizer: Picoseconds = .zero
    ) {
      self.compute = compute
      self.communicationExposed = communicationExposed
      self.bubble = bubble
      self.optimizer = optimizer
    }
  }

  /// What crosses between devices in one step, by axis and collective.
  package struct Traffic: Hashable, Sendable {
    package var axis: String
    package var collective: String
    /// Summed over all devices.
    package var total: Bytes
    package var time: Picoseconds
    package var exposed: Picoseconds

    package init(
      axis: String, collective: String, total: Bytes, time: Picoseconds, exposed: Picoseconds
    ) {
      self.axis = axis
      self.collective = collective
      self.total = total
      self.time = time
      self.exposed = exposed
    }
  }
}

/// What is live at a device's peak instant, in planned widths, by class.
package struct MemoryUse: Hashable, Sendable {
  package var weights, gradients, optimizer, activations, workspace, framework: Bytes

  package init() {
    (weights, gradients, optimizer) = (.zero, .zero, .zero)
    (activations, workspace, framework) = (.zero, .zero, .zero)
  }

  /// The sum of all classes.
  package var total: Bytes { program + framework }

  /// The sum of what the program itself allocates: the executor's planned ledger.
  package var program: Bytes { weights + gradients + optimizer + activations + workspace }

  /// Charges `bytes` of class `bufferClass`.
  package mutating func add(_ bytes: Bytes, _ bufferClass: BufferClass) {
    switch bufferClass {
    case .weight: weights += bytes
    case .mainGradient: gradients += bytes
    case .masterWeight, .moment: optimizer += bytes
    case .saved, .transient, .input: activations += bytes
    case .workspace: workspace += bytes
    }
  }
}
