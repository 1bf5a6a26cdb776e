import { spawn } from 'node:child_process'

/**
 * Runs a command that must not outlive us: `node leash.js <signal> <command> [argument …]`.
 * Our standard input is the leash. When it ends, because the process that holds it let go or died, however it
 * died, the command gets the signal, and SIGKILL if it has not ended after a while.
 */
const KILL_AFTER_MS = 15_000

const [signal, command, ...parameters] = process.argv.slice(2)
if (!signal || !command) throw new Error('usage: leash <signal> <command> [argument …]')

const child = spawn(command, parameters, { stdio: ['ignore', 'inherit', 'inherit'] })

function letGo(): void {
  child.kill(signal as NodeJS.Signals)
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
