export { KeyIndex, defaultKeyIndexSettings, type IndexedLog, type KeyIndexOptions, type KeyIndexSettings } from './key-index.ts'
export { MAX_KEYS_OF_MESSAGE } from './record-keys.ts'
