import SluiceCallers
import SluiceConfiguration
import SluiceGateway
import SluiceStore

/// Where the settings have callers kept that are made at run time.
enum CallerSource {
    static func source(_ settings: ProcessSettings) -> CallerStoreSource {
        let directory = settings.stateDirectory
        guard directory != ProcessSettings.noStateDirectory else { return .none }
        return CallerStoreSource(name: "SLUICE_STATE_DIR \(directory)") { (makesIt: Bool) throws(CallerStoreError) in
            guard makesIt || CallerDatabase.exists(in: directory) else { return nil }
            return try CallerDatabase(directory: directory)
        }
    }
}
