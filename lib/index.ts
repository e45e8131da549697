export * from './queue/index.ts'
export { MqError, isMqError, errorCatalogue, type ErrorCode, type Outcome, type Clock, type Logger, type Timer } from './base/index.ts'
export { VirtualClock, type VirtualClockOptions } from './adapters/index.ts'
