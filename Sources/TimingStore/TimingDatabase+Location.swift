extension TimingDatabase {
  /// Where timings are kept unless a file is named: `tpplan/timings.sqlite` in the user's data
  /// folder, by the XDG base directory specification.
  ///
  /// - Parameter environment: The process's variables; `XDG_DATA_HOME` counts if it is absolute,
  ///   else `HOME` does.
  /// - Returns: The file's path.
  /// - Throws: ``TimingStoreError/homeless`` where neither is set.
  package static func defaultPath(
    environment: [String: String]
  ) throws(TimingStoreError) -> String {
    if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") {
      return "\(data)/tpplan/timings.sqlite"
    }
    guard let home = environment["HOME"], !home.isEmpty else { throw .homeless }
    return "\(home)/.local/share/tpplan/timings.sqlite"
  }
}
