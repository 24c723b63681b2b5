// offshoot's plugin for opencode: tells a session when a task that it dispatched has ended.
// Written by `offshoot setup opencode`, removed by `offshoot setup opencode --remove`.
//
// It runs `offshoot inbox --follow` as a child and hands each entry, and each question of a task's agent, to
// the session that dispatched the task, or to the one in front where that session is closed. An entry is acknowledged once opencode has
// taken it; until then it stays in the inbox, so that a crash loses nothing.

import { execFile, spawn } from "node:child_process"

const PROGRAM = "offshoot"
const FIRST_PAUSE_MS = 2_000
const LONGEST_PAUSE_MS = 300_000
const DEEPEST_ANCESTOR = 16

// What an end, or a question of a running task's agent, is known by.
const key = (entry) => (entry.question ? `asked by ${entry.task.id}` : String(entry.cursor))

export const OffshootPlugin = async ({ client, directory }) => {
  // The agent of a task is nobody's main session.
  if (process.env.OFFSHOOT_TASK_ID) return {}

  // Root sessions that are at work in this process. Other processes share the stored ones.
  const roots = new Set()
  // Entries and questions for sessions that are not at work here (yet).
  const waiting = new Map()
  let front = null
  let queue = Promise.resolve()

  const root = async (id) => {
    for (let depth = 0; depth < DEEPEST_ANCESTOR; depth++) {
      const session = (await client.session.get({ path: { id } })).data
      if (!session) return null
      if (!session.parentID) return session
      id = session.parentID
    }
    return null
  }

  // Which session an entry is for; null while it is none of ours.
  const addressee = async (entry) => {
    if (entry.addressee === "person") return null
    const [kind, id] = (entry.parent ?? "").split(/:(.*)/s)
    if (kind === "opencode") {
      const session = await root(id).catch(() => null)
      if (session && roots.has(session.id)) return session
    }
    return entry.addressee === "anybody" && front ? await root(front).catch(() => null) : null
  }

  const deliver = async (session, entries) => {
    const text = entries.map((entry) => entry.text).join("\n")
    const body = { parts: [{ type: "text", synthetic: true, text }] }
    // Left out, opencode takes the default agent: a session that plans would begin to build.
    if (session.agent) body.agent = session.agent
    if (session.model) {
      body.model = {
        providerID: session.model.providerID,
        modelID: session.model.id ?? session.model.modelID,
      }
      const variant = session.model.variant
      if (variant && variant !== "default") body.variant = variant
    }
    const answer = await client.session.promptAsync({ path: { id: session.id }, body })
    if (answer.error) throw new Error(JSON.stringify(answer.error))
    for (const entry of entries) waiting.delete(key(entry))
    const ends = entries.filter((entry) => !entry.question)
    const cursors = ends.map((entry) => String(entry.cursor))
    if (cursors.length > 0) execFile(PROGRAM, ["-C", directory, "inbox", "--ack", ...cursors], () => {})
    const failed = entries.some((entry) => entry.state !== "completed")
    const message = entries.map((entry) => `${entry.task.name} ${entry.state ?? "asks"}`).join(", ")
    const toast = { message: `offshoot: ${message}`, variant: failed ? "warning" : "success" }
    client.tui.showToast({ body: toast }).catch(() => {})
  }

  const deliverAll = async () => {
    const bySession = new Map()
    for (const entry of waiting.values()) {
      const session = await addressee(entry)
      if (!session) continue
      const known = bySession.get(session.id) ?? { session, entries: [] }
      known.entries.push(entry)
      bySession.set(session.id, known)
    }
    for (const { session, entries } of bySession.values()) {
      // What opencode refuses stays in the inbox and is tried again with the next entry or message.
      await deliver(session, entries).catch(() => {})
    }
  }

  const soon = () => {
    queue = queue.then(deliverAll).catch(() => {})
  }

  let pause = FIRST_PAUSE_MS
  const follow = () => {
    const line = ["-C", directory, "inbox", "--follow", "--all", "--json"]
    const child = spawn(PROGRAM, line, { stdio: ["ignore", "pipe", "ignore"] })
    let rest = ""
    child.stdout.setEncoding("utf8")
    child.stdout.on("data", (piece) => {
      pause = FIRST_PAUSE_MS
      const lines = (rest + piece).split("\n")
      rest = lines.pop()
      for (const line of lines) {
        try {
          const { events, questions = [] } = JSON.parse(line)
          for (const entry of [...events, ...questions]) waiting.set(key(entry), entry)
          // What was asked and not heard is over with its task's end, which tells of it.
          for (const { task } of events) waiting.delete(`asked by ${task.id}`)
        } catch {
          // An error document, or a line of a version that is not ours.
        }
      }
      soon()
    })
    let gone = false
    const again = () => {
      if (gone) return
      gone = true
      // Outside of a repository, or without the program: seldom asked, never given up.
      setTimeout(follow, pause).unref?.()
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
    }
    child.on("error", again)
    child.on("close", again)
    child.unref?.()
    child.stdout.unref?.()
  }
  follow()

  return {
    "chat.message": async ({ sessionID }) => {
      const session = await root(sessionID).catch(() => null)
      if (!session) return
      roots.add(session.id)
      front = session.id
      if (waiting.size > 0) soon()
    },
    // Commands of the bash tool.
    "shell.env": async (input, output) => {
      if (input.sessionID) output.env.OFFSHOOT_PARENT = `opencode:${input.sessionID}`
    },
    // Calls of our MCP server, which opencode names after the server and the tool.
    "tool.execute.before": async (input, output) => {
      if (!input.tool.startsWith("offshoot_")) return
      output.args ??= {}
      output.args.parent = `opencode:${input.sessionID}`
    },
  }
}
