/**
 * Preloaded into a process of confirmd by `watchNetwork`: answers its looks at the drill's names, and writes down each
 * of these looks and each outgoing TCP connection before it is tried. Nothing of it leaves this machine.
 */
import dns from 'node:dns'
import dnsPromises from 'node:dns/promises'
import { appendFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { constants, networkInterfaces } from 'node:os'

const { DRILL_NAMES = '{}', DRILL_NETWORK_LOG = '' } = process.env
/** Of each name: the answers to its first, second, … look, and whether the last of them or all of them come again. */
const names = new Map(Object.entries(JSON.parse(DRILL_NAMES)))
const looks = new Map()

/** At once, so that a process that is killed right after it has written it all the same. */
function note(line) {
  appendFileSync(DRILL_NETWORK_LOG, `${JSON.stringify(line)}\n`)
}

/** Null for a name that is none of the drill's. */
function answerTo(hostname) {
  const name = names.get(hostname)
  if (!name) return null
  const { answers, again } = name
  const count = looks.get(hostname) ?? 0
  looks.set(hostname, count + 1)
  const index = again === 'all' ? count % answers.length : Math.min(count, answers.length - 1)
  note({ name: hostname, addresses: answers[index] })
  return answers[index].map((address) => ({ address, family: net.isIP(address) }))
}

const { lookup } = dns
const lookupPromised = dnsPromises.lookup

dns.lookup = (hostname, ...rest) => {
  const answer = answerTo(hostname)
  if (!answer) return lookup(hostname, ...rest)
  const callback = rest.at(-1)
  const [first] = answer
  if (rest[0]?.all) process.nextTick(callback, null, answer)
  else process.nextTick(callback, null, first.address, first.family)
  return undefined
}
dnsPromises.lookup = async (hostname, options) => {
  const answer = answerTo(hostname)
  if (!answer) return lookupPromised(hostname, options)
  return options?.all ? answer : answer[0]
}
// Without this, `import { lookup } from 'node:dns/promises'` has the one from before.
syncBuiltinESMExports()

const thisMachine = new net.BlockList()
thisMachine.addSubnet('127.0.0.0', 8, 'ipv4')
for (const address of ['0.0.0.0', '::', '::1']) thisMachine.addAddress(address, familyOf(address))
for (const { address } of Object.values(networkInterfaces()).flat()) {
  thisMachine.addAddress(address, familyOf(address))
}

function familyOf(address) {
  return net.isIPv4(address) ? 'ipv4' : 'ipv6'
}

// All of TCP comes through here, TLS too; node:diagnostics_channel does not tell of sockets of TLS.
const { connect } = net.Socket.prototype
net.Socket.prototype.connect = function watchedConnect(...parameters) {
  this.on('connectionAttempt', (address, port) => {
    note({ address, port })
    if (thisMachine.check(address, familyOf(address))) return
    // What is asked for is written down; neither a stranger nor the network of the one who drills hears of it.
    this._handle.connect = refuseToConnect
    this._handle.connect6 = refuseToConnect
  })
  return connect.apply(this, parameters)
}

function refuseToConnect() {
  return -constants.errno.ECONNREFUSED
}
