import Foundation
import SluiceConfiguration
import SluiceCounting
import SluiceGateway
import SluiceStore

/// Which store of counts the settings name.
enum CountStore {
    /// For a gateway that runs.
    static func source(_ settings: ProcessSettings) -> CountStoreSource {
        let directory = settings.stateDirectory
        guard directory != ProcessSettings.noStateDirectory else { return .memory }
        return CountStoreSource(name: "SLUICE_STATE_DIR \(directory)", isShared: false, sizing: .blocks) { () throws(AllowanceStoreError) in
            let database = try StateDatabase(directory: directory)
            return .init(store: database, highestSeconds: database.highestSeconds)
        }
    }

    /// For a command, while no gateway runs: nil if the store was never begun or does not outlive a process.
    static func openExisting(_ settings: ProcessSettings) throws(AllowanceStoreError) -> (any AllowanceStore)? {
        let directory = settings.stateDirectory
        let path = (directory as NSString).appendingPathComponent(StateDatabase.fileName)
        guard directory != ProcessSettings.noStateDirectory, FileManager.default.fileExists(atPath: path) else { return nil }
        return try StateDatabase(directory: directory)
    }
}
