import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import type { LeashOptions } from './leashed.ts'

/**
 * Runs a command that must not outlive us: `node leash.js <options as JSON> <command> [argument …]`.
 * Our standard input is the leash. When it ends, because the process that holds it let go or died, however it
 * died, the command gets the signal, and SIGKILL if it has not ended after a while.
 */
const KILL_AFTER_MS = 15_000

const [options, command, ...parameters] = process.argv.slice(2)
if (!options || !command) throw new Error('usage: leash <options as JSON> <command> [argument …]')
const { stopSignal, user, descriptors } = JSON.parse(options) as LeashOptions

// Opened here, with our rights: the command's user may not be able to reach their paths.
const opened = descriptors.map((path) => openSync(path, 'r'))
const child = spawn(command, parameters, { stdio: ['ignore', 'inherit', 'inherit', ...opened], ...user })

function letGo(): void {
  child.kill(stopSignal)
  setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref()
}

process.stdin.on('end', letGo).on('error', letGo).resume()
// A terminal's Ctrl-C reaches every process of the group; only the holder of the leash decides.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', letGo)
child.on('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 127
  process.stdin.destroy()
})
child.on('exit', (code) => {
  process.exit(code ?? 1)
})
