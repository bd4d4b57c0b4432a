import Foundation
import SluiceConfiguration
import SluiceCounting
import SluiceGateway
import SluiceRedis
import SluiceStore

/// Which store of counts the settings name.
enum CountStore {
    /// For a gateway that runs.
    static func source(_ settings: ProcessSettings) -> CountStoreSource {
        if let url = settings.redisURL {
            let authorityFile = settings.redisAuthorityFile
            return CountStoreSource(name: "SLUICE_REDIS_URL \(url)", isShared: true, sizing: .blocks) { () throws(AllowanceStoreError) in
                .init(store: try RedisStore(url, authorityFile: authorityFile))
            }
        }
        let directory = settings.stateDirectory
        guard directory != ProcessSettings.noStateDirectory else { return .memory }
        return CountStoreSource(name: "SLUICE_STATE_DIR \(directory)", isShared: false, sizing: .blocks) { () throws(AllowanceStoreError) in
            let database = try StateDatabase(directory: directory)
            return .init(store: database, latestSeconds: database.latestSeconds)
        }
    }

    /// For a command, while no gateway runs: nil if the store was never begun or does not outlive a process.
    static func openExisting(_ settings: ProcessSettings) throws(AllowanceStoreError) -> (any AllowanceStore)? {
        if let url = settings.redisURL { return try RedisStore(url, authorityFile: settings.redisAuthorityFile) }
        let directory = settings.stateDirectory
        let path = (directory as NSString).appendingPathComponent(StateDatabase.fileName)
        guard directory != ProcessSettings.noStateDirectory, FileManager.default.fileExists(atPath: path) else { return nil }
        return try StateDatabase(directory: directory)
    }
}
