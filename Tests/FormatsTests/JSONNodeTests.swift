import Formats
import Testing

@Suite("Typed access to JSON")
struct JSONNodeTests {
  private enum Precision: String, CaseIterable { case mixed, bf16 }

  private let document: JSONDocument

  init() throws {
    document = try JSONDocument(
      text: """
        {"hidden_size": 4096, "layers": [{"name": "a"}, {"name": 3}], "eps": 1e-5, "none": null,
         "tied": true, "precision": "mixed", "whole": 3.0, "odd key": [], "text": "\\u001b[31m"}
        """, file: "config.json")
  }

  @Test("Right values are returned")
  func right() throws {
    #expect(try document.field("hidden_size").positiveInteger(upTo: 8192) == 4096)
    #expect(try document.field("hidden_size").number() == 4096)
    #expect(try document.field("whole").integer() == 3)
    #expect(try document.field("eps").positiveNumber() == 1e-5)
    #expect(try document.field("eps").number(in: 0...1) == 1e-5)
    #expect(try document.field("tied").bool())
    #expect(try document.field("precision").string() == "mixed")
    #expect(try document.field("precision").choice(of: Precision.self) == .mixed)
    #expect(try document.field("layers").array()[0].field("name").string() == "a")
    #expect(try document.field("hidden_size").nonNegativeInteger() == 4096)
    #expect(try document.field("hidden_size").nonNegativeNumber() == 4096)
  }

  @Test("A missing field and null are both nil where a field is optional")
  func optional() throws {
    #expect(try document.optional("none") == nil)
    #expect(try document.optional("rope_scaling") == nil)
    #expect(try document.optional("tied")?.bool() == true)
  }

  @Test("Unknown fields are listed in order and refused by name")
  func unknown() throws {
    let layer = try document.field("layers").array()[0]
    #expect(try document.root.unknownFields(besides: ["eps", "layers"]).first == "hidden_size")
    try layer.refuseFields(besides: ["name", "kind"])
    let error = #expect(throws: FormatError.self) { try layer.refuseFields(besides: ["kind"]) }
    #expect(
      error?.description == "config.json: at $.layers[0].name: expected one of the fields "
        + "\"kind\", found \"name\"; remove the field or correct its name")
  }

  @Test("Wrong values name file, path, what was expected and found, and what to try")
  func wrong() throws {
    let messages = [
      try message { try document.field("layers").array()[1].field("name").string() },
      try message { try document.field("heads") },
      try message { try document.field("hidden_size").positiveInteger(upTo: 1024) },
      try message { try document.field("eps").integer() },
      try message { try document.field("odd key").bool() },
      try message { try document.field("precision").number() },
      try message { try document.field("tied").choice(of: Precision.self) },
      try message { try document.field("text").array() },
      try message { try document.field("eps").field("x") },
      try message { try document.field("none").nonNegativeInteger() },
      try message { try document.expectSchema("tpplan.plan/1") },
    ]
    #expect(
      messages == [
        "$.layers[1].name: expected a string, found 3; correct the value",
        "$: expected the field \"heads\", found only \"hidden_size\", \"layers\", \"eps\", "
          + "\"none\", \"tied\", \"precision\", \"whole\", \"odd key\" and 1 more; add the field",
        "$.hidden_size: expected an integer from 1 to 1024, found 4096; correct the value",
        "$.eps: expected an integer, found 1e-05; correct the value",
        "$[\"odd key\"]: expected true or false, found an array of 0; correct the value",
        "$.precision: expected a number, found the string \"mixed\"; correct the value",
        "$.tied: expected one of \"mixed\", \"bf16\", found true; correct the value",
        "$.text: expected an array, found the string \"\\u001B[31m\"; correct the value",
        "$.eps: expected an object, found 1e-05; correct the value",
        "$.none: expected an integer of at least 0, found null; correct the value",
        "$: expected the field \"schema\", found only \"hidden_size\", \"layers\", \"eps\", "
          + "\"none\", \"tied\", \"precision\", \"whole\", \"odd key\" and 1 more; add the field",
      ])
  }

  /// The message of the error that `body` throws, without the file.
  private func message<Value>(_ body: () throws -> Value) throws -> String {
    let error = try #require(#expect(throws: FormatError.self) { _ = try body() })
    let prefix = "config.json: at "
    #expect(error.description.hasPrefix(prefix))
    return String(error.description.dropFirst(prefix.count))
  }
}
