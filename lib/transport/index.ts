export { MemoryNetwork } from './memory-transport.ts'
export { copyMessage } from './copy-message.ts'
