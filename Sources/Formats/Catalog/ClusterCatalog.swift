package import PlanIR

/// Finds clusters by the argument that names them: a file, or the name of one that is shipped.
package struct ClusterCatalog: Sendable {
  private let shipped: ShippedFiles

  /// A catalog of the clusters `NAME.json` in `folders`, which need not exist; the first that has a
  /// name wins.
  package init(folders: [String]) { shipped = ShippedFiles(kind: "cluster", folders: folders) }

  /// The names of all shipped clusters, sorted.
  package var names: [String] { shipped.names }

  /// The cluster that `argument` names.
  ///
  /// - Throws: ``FormatError`` where there is none (66), or it is wrong.
  package func cluster(_ argument: String) throws(FormatError) -> Cluster {
    let path = try shipped.path(of: argument)
    return try ClusterFile.cluster(of: JSONDocument(contentsOf: path).root)
  }
}
