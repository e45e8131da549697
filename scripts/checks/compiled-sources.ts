import { register } from 'node:module'

register('./compiled-hooks.js', import.meta.url)
process.setSourceMapsEnabled(true)
