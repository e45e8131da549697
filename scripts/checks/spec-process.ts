import asyncHooks from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'

/**
 * Loaded before a spec file. With a hook tap follows every promise, so that it can tell to which test an uncaught error belongs;
 * that doubles the price of whatever awaits much. Without it an uncaught error ends the file, with its stack, as it ends any program.
 */
const noHook = { enable: () => noHook, disable: () => noHook }
asyncHooks.createHook = () => noHook
syncBuiltinESMExports()
process.setSourceMapsEnabled(true)
