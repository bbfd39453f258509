import Testing

/// Small twins of plans run in float32 within its tolerance, whatever numbers are drawn.
@Suite struct ShrinkTests {
  /// Runs the twin of the plan in the folder.
  private func prove(_ line: CommandLine) throws {
    let outcome = try line.run("execute @/plan.json --no-record --shrink")
    #expect(outcome.code == 0, "\(outcome)")
  }

  @Test(arguments: [4, 25, 30, 50])
  func `a norm of a twin has features enough for float32`(_ seed: Int) throws {
    let line = try CommandLine()
    let search = "search gpt3-175b --devices 4 --layout data --pipeline 4 --memory unlimited"
    #expect(try line.run(search + " --top 1 --emit @/plan.json").code == 0)
    let outcome = try line.run("execute @/plan.json --no-record --shrink --seed \(seed) --json")
    #expect(outcome.code == 0, "\(outcome)")
  }

  @Test func `layers that are too few to shrink stay on the chunks that they lie on`() throws {
    let line = try CommandLine()
    try line.write(
      """
      {"model_type":"gpt2","n_embd":16,"n_head":2,"n_layer":3,"vocab_size":50,"n_positions":16,
       "n_inner":64}
      """, "model.json")
    let search = try line.run(
      "search @/model.json --devices 2 --pipeline 2 --interleave 2 --global-batch 8 --top 1 "
        + "--emit @/plan.json")
    #expect(search.code == 0, "\(search)")
    try prove(line)
  }

  @Test(arguments: [
    "gpt2 --devices 6 --global-batch 12 --layout summa --mesh 3x2 --sequence 32",
    "tiny-gpt2 --devices 8 --layout summa --mesh 4x2",
    "gpt2 --devices 12 --global-batch 12 --layout tesseract --mesh 3x2x2 --sequence 32",
  ])
  func `products of a twin step over as many heads as rows divide`(_ plan: String) throws {
    let line = try CommandLine()
    let search = "search \(plan) --matmul stepped --precision fp32 --top 1 --emit @/plan.json"
    #expect(try line.run(search).code == 0)
    try prove(line)
  }

  @Test func `heads that an axis splits stay divisible where their width does not`() throws {
    let line = try CommandLine()
    try line.write(
      """
      {"model_type":"llama","hidden_size":72,"num_attention_heads":18,"num_key_value_heads":3,
       "num_hidden_layers":4,"intermediate_size":12,"vocab_size":7,"max_position_embeddings":12,
       "rms_norm_eps":1e-06,"rope_theta":10000.0,"hidden_act":"silu"}
      """, "model.json")
    let search = try line.run(
      "search @/model.json --devices 9 --global-batch 36 --sequence 6 --precision fp32 "
        + "--layout summa --gathers-weights again --tensor 3 --top 1 --emit @/plan.json")
    #expect(search.code == 0, "\(search)")
    try prove(line)
  }
}
