/* For builds with ThreadSanitizer only. liburcu is not compiled with it, so it does not see what a grace period orders:
   whatever a reader did before it left its read section comes before the return of synchronize_rcu. These wrappers (ld --wrap)
   tell it just that, and nothing more. */
void __real_urcu_bp_read_unlock(void);
void __real_urcu_bp_synchronize_rcu(void);
void __wrap_urcu_bp_read_unlock(void);
void __wrap_urcu_bp_synchronize_rcu(void);
void __tsan_acquire(void *address);
void __tsan_release(void *address);

static char grace_period;

void __wrap_urcu_bp_read_unlock(void)
{
    __tsan_release(&grace_period);
    __real_urcu_bp_read_unlock();
}

void __wrap_urcu_bp_synchronize_rcu(void)
{
    __real_urcu_bp_synchronize_rcu();
    __tsan_acquire(&grace_period);
}
