/** What each state means to the buyer, and what to do. */
const MEANINGS = {
  new: () => 'Not signed yet. Nothing to do: the server carries on, also after a restart.',
  minting: () => 'Signed and watched. Nothing to do: usually final within 2 s of being sent.',
  minted: ({ tokenId, mintedIn }) =>
    `Final in block ${mintedIn}${tokenId === null ? '' : `: token ${tokenId} is theirs`}.`,
  failed: ({ failure }) =>
    `Final, but the contract refused it: ${failure}. Nothing was minted; it may be ordered again.`,
  stalled: () =>
    'No node has it so far; it may still come. Do not order again yet: follow the link and have it looked at again.',
  replaced: () => 'Another transaction took its place. It can never be minted; it may be ordered again.',
  expired: () =>
    'Not seen for so long that it is given up; a late block would still mint it. Ask the sender before ordering again.',
}
const FIRST_TRY_MS = 500
const LAST_TRY_MS = 8_000

const form = document.querySelector('#order')
const said = document.querySelector('#said')

form.addEventListener('submit', (event) => {
  event.preventDefault()
  void order(event.submitter)
})

async function order(button) {
  // One key for one click: however often it is sent, it is one order.
  const body = JSON.stringify({
    requestKey: crypto.randomUUID(),
    attempt: button.value,
    recipient: form.querySelector('#recipient').value,
  })
  button.disabled = true
  said.textContent = ''
  await place(body)
  button.disabled = false
}

async function place(body) {
  for (let pauseMs = FIRST_TRY_MS; ; pauseMs *= 2) {
    const response = await fetch('/orders', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    }).catch(() => null)
    if (response?.ok) {
      said.textContent = ''
      return
    }
    if (response && response.status < 500) {
      said.textContent = (await response.json()).error
      return
    }
    if (pauseMs > LAST_TRY_MS) {
      said.textContent =
        'The server does not answer. If it took the order, the list shows it when it is back.'
      return
    }
    said.textContent = 'The server does not answer; the same order is sent again.'
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

// The browser connects again by itself, and is sent the whole list first.
new EventSource('/orders/stream').addEventListener('message', ({ data }) => show(JSON.parse(data)))

function show(orders) {
  document.querySelector('#empty').hidden = orders.length > 0
  document.querySelector('#orders').replaceChildren(...orders.map(row))
}

function row(order) {
  const placed = cell(new Date(order.createdAt).toLocaleTimeString())
  placed.className = 'placed'
  const state = cell(order.state)
  state.className = `state ${order.state}`
  const meaning = order.problem
    ? `Waits: ${order.problem}. It is tried again by itself.`
    : MEANINGS[order.state](order)
  const watched = document.createElement('td')
  if (order.watchedAt) {
    const link = document.createElement('a')
    link.href = order.watchedAt
    link.textContent = `${order.txHash.slice(0, 10)}… at confirmd`
    watched.append(link)
  } else {
    watched.textContent = order.txHash ?? '–'
  }
  const tableRow = document.createElement('tr')
  tableRow.append(placed, cell(order.attempt), state, cell(meaning), watched)
  return tableRow
}

function cell(text) {
  const made = document.createElement('td')
  made.textContent = text
  return made
}
