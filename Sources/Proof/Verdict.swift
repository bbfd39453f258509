package import Executor
import PlanIR
package import Reference

/// What a proof found: a run beside its reference and its prediction.
package struct Verdict: Sendable {
  package let run: RunResult
  package let reference: ReferenceRun?
  /// Deviations from the reference; nil where it was not run.
  package private(set) var errors: Errors?
  /// The largest deviation of a parameter after the last update; nil where not compared.
  package private(set) var parameterError: Double?
  package let traffic: [TrafficPair]
  /// The planned peak of each device, in order.
  package let peaksPredicted: [Int]
  /// The prediction's peak: the fullest device's.
  package let peakPredicted: Int
  /// What deviations are held to; nil for a bfloat16 run, whose deviations are only told.
  package let tolerance: Double?
  /// Gradients of step 1 and parameters after the last update, as a checkpoint has them.
  package let gradients: CheckpointTensors
  package let parameters: CheckpointTensors

  /// Deviations by kind.
  package struct Errors: Hashable, Sendable {
    package var loss: Double
    /// Nil of a model without a head.
    package var logits: Double?
    package var gradients: Double
    package var worst: String?
  }

  /// Bytes of one axis and collective, predicted and moved.
  package struct TrafficPair: Hashable, Sendable {
    package var axis: String
    package var collective: String
    package var predicted: Int
    package var measured: Int
  }

  init(proof: Proof, run: RunResult, reference: ReferenceRun?) {
    self.run = run
    self.reference = reference
    tolerance = Self.tolerance(of: proof.settings.dtype)
    peaksPredicted = MemoryWalk.plannedPeaks(of: proof.program)
    peakPredicted = proof.plan.predicted.memory.program.count
    traffic = Self.pair(proof.plan.predicted.communication, run.traffic)
    gradients = Self.tensors(proof.program, run, prefix: "grad.")
    parameters = Self.tensors(proof.program, run, prefix: "param.")
    guard let reference else { return }
    let model = proof.plan.model
    var expected = Self.tensors(model, reference.gradients)
    var computed = gradients
    if let input = reference.inputGradient {
      expected.add("input", shape: [input.count], values: input)
      computed.add("input", shape: [input.count], values: run.tensors["grad.input"] ?? [])
    }
    let worst = Deviation.largest(of: computed, from: expected)
    errors = Errors(
      loss: Deviation.between([run.losses.first ?? .nan], [reference.loss], floor: 0),
      logits: reference.logits.map {
        Deviation.between(run.tensors["logits"] ?? [], $0, floor: 0)
      }, gradients: worst.value, worst: worst.worst)
    parameterError =
      Deviation.largest(of: parameters, from: Self.tensors(model, reference.parameters)).value
  }

  private static func tolerance(of dtype: DType) -> Double? {
    switch dtype {
    case .float64: 1e-10
    case .bfloat16: nil
    case .float32, .float16, .int64, .uint8: 1e-4
    }
  }

  /// Whether numbers, bytes and memory are all as they should be.
  package var isValid: Bool { numbersAgree && bytesAgree && peaksAgree }

  /// Whether every number is finite, and every deviation within tolerance, as far as any was compared.
  package var numbersAgree: Bool {
    guard run.isFinite else { return false }
    guard let tolerance, let errors else { return true }
    return [errors.loss, errors.logits ?? 0, errors.gradients].allSatisfy { $0 <= tolerance }
  }

  /// Whether every collective moved the predicted bytes.
  package var bytesAgree: Bool { traffic.allSatisfy { $0.predicted == $0.measured } }

  /// Whether every device held at most, and just, the predicted bytes.
  package var peaksAgree: Bool {
    run.peakPlanned == peaksPredicted && peaksPredicted.max() == peakPredicted
  }

  /// What is not as it should be, in words with figures; empty for a valid run.
  package var faults: [String] {
    var faults: [String] = []
    if !numbersAgree { faults.append(numberFault) }
    for pair in traffic where pair.predicted != pair.measured {
      faults.append(
        "\(pair.axis) \(pair.collective): \(pair.predicted) bytes predicted, \(pair.measured) moved"
      )
    }
    if !peaksAgree {
      faults.append(
        "peaks: \(peakPredicted) bytes predicted, \(peaksPredicted) by device, held "
          + "\(run.peakPlanned)")
    }
    return faults
  }

  private var numberFault: String {
    guard run.isFinite, tolerance != nil, let errors else { return "a number is not finite" }
    return "numbers differ: loss \(errors.loss), logits \(errors.logits ?? 0), gradients "
      + "\(errors.gradients) (\(errors.worst ?? "none"))"
  }

  private static func pair(
    _ predicted: [Prediction.Traffic], _ measured: [RunResult.Traffic]
  ) -> [TrafficPair] {
    var pairs = predicted.map {
      TrafficPair(
        axis: $0.axis, collective: $0.collective, predicted: $0.total.count, measured: 0)
    }
    for entry in measured {
      let place = pairs.firstIndex {
        $0.axis == entry.axis && $0.collective == entry.collective
      }
      if let place {
        pairs[place].measured = entry.bytes
      } else {
        pairs.append(
          TrafficPair(
            axis: entry.axis, collective: entry.collective, predicted: 0, measured: entry.bytes))
      }
    }
    return pairs
  }

  private static func tensors(
    _ program: Program, _ run: RunResult, prefix: String
  ) -> CheckpointTensors {
    var result = CheckpointTensors()
    for parameter in program.parameters {
      for layer in 0..<parameter.repetitions {
        guard let values = run.tensors[prefix + parameter.instanceName(layer: layer)]
        else { continue }
        result.add(
          parameter.parameter, sizes: parameter.unpaddedSizes, layer: layer, values: values)
      }
    }
    return result
  }

  private static func tensors(
    _ model: Model, _ values: [ParameterInstance: [Double]]
  ) -> CheckpointTensors {
    var result = CheckpointTensors()
    for (instance, parameter, shape) in ReferenceModel.instances(of: model) {
      result.add(
        parameter, sizes: shape, layer: instance.layer ?? 0, values: values[instance] ?? [])
    }
    return result
  }
}
