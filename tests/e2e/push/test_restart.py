# SPDX-License-Identifier: Apache-2.0
"""A crash forgets nobody."""


def test_a_crash_between_the_commit_and_the_push_wakes_after_the_restart(make_woken):
    woken = make_woken(retry_first_s=3600, retry_max_s=3600)
    devices = [woken.device() for _ in range(5)]
    woken.apns.kill()  # so that no push can be taken
    woken.order(*devices)
    woken.server.kill()
    woken.apns.start()
    woken.server.start()
    for device in devices:
        device.close()  # it goes to another port now
        woken.wait_pushes_to(device, 1)
        assert device.poll() is not None


def test_a_restart_does_not_push_again_what_was_pushed_for(make_woken):
    woken = make_woken(retry_first_s=3600, retry_max_s=3600)
    device, other = woken.device(), woken.device()
    woken.order(device)
    woken.wait_push(device, status=200)
    woken.server.stop()
    woken.server.start()
    woken.order(other)
    woken.wait_pushes_to(other, 1)
    assert len(woken.pushes_to(device)) == 1


def test_work_that_was_finished_before_its_push_is_not_pushed_for(make_woken):
    woken = make_woken(retry_first_s=3600, retry_max_s=3600)
    device, other = woken.device(), woken.device()
    woken.apns.kill()
    woken.order(device)
    assert device.answer(device.poll()) is None
    woken.apns.start()
    woken.order(other)
    woken.wait_pushes_to(other, 1)
    assert woken.pushes_to(device) == []
