//! What the engine says, as lines of the log: figures and errors, nothing of the conversation.

use tracing::{debug, error, info, warn};

use super::event::Event;

/// Writes down what is worth it.
pub fn event(event: &Event) {
    match event {
        Event::Ready { model, policy } => {
            info!(
                device = %model.device, layers = model.layers, kv_heads = model.kv_heads,
                head_dim = model.head_dim, context = model.context, kv_dtype = %model.kv_dtype,
                weights = model.weight_bytes, policy = %policy.preset,
                budget = %policy.budget, window = policy.window, slack = policy.slack,
                "ready"
            );
        }
        Event::PolicyChanged(policy) => {
            info!(policy = %policy.preset, budget = %policy.budget, "policy changed");
        }
        Event::InForce(budget) => debug!(?budget, "in force"),
        Event::TurnStarted {
            turn,
            prompt_tokens,
            position,
        } => info!(turn, prompt_tokens, position, "turn"),
        Event::Eviction(round) => info!(
            turn = round.turn,
            trigger = ?round.trigger,
            layers = round.layers.len(),
            before = round.before_entries,
            after = round.after_entries,
            freed_bytes = round.freed_bytes,
            mass = format_args!("{:.4}", round.retained_mass),
            uniform = format_args!("{:.4}", round.uniform_retained_mass),
            ms = format_args!("{:.1}", round.milliseconds),
            "evicted"
        ),
        Event::TurnFinished(stats) => info!(
            turn = stats.turn,
            stop = ?stats.stop,
            prompt_tokens = stats.prompt_tokens,
            prefill_s = format_args!("{:.3}", stats.prefill_seconds),
            generated_tokens = stats.generated_tokens,
            decode_s = format_args!("{:.3}", stats.decode_seconds),
            "turn finished"
        ),
        Event::Prefill {
            turn, done, total, ..
        } => debug!(turn, done, total, "prefill"),
        Event::Failed { message, .. } => error!("turn failed: {message}"),
        Event::TooLong(f) => warn!("refused: {} tokens, a context of {}", f.needed, f.context),
        Event::Fatal(message) => error!("engine ended: {message}"),
        Event::Notice(message) => warn!("{message}"),
        _ => {}
    }
}
