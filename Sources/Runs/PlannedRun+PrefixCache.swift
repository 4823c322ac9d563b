import Recipes
import Storage
import Training

extension PreparedRun {
  /// Bytes that prefix caches may take: the recipe's limit, but at most half of the disk's free
  /// space, so that snapshots find room.
  var prefixCacheLimit: Int {
    min(recipe.run.prefixCacheBytes, (Folder.availableBytes(cacheFolder) ?? .max) / 2)
  }
}

extension PlannedRun {
  /// The planned caches, or a warning instead if they can't be created.
  func makePrefixCaches() -> (caches: [PrefixCache], warning: String?) {
    do throws(StorageError) {
      let caches = try prefixCaches.caches(
        step, text: prepared.corpus.train, validationText: prepared.corpus.validation,
        folder: prepared.cacheFolder)
      return (caches, nil)
    } catch {
      return ([], "what frozen blocks compute is not kept: \(error)")
    }
  }
}
