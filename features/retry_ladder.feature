@manual-3.5
Feature: The retry ladder
  After a failure the agent waits 10 s, 30 s, 1, 2, 4, 8 minutes, then 16 minutes for ever.
  Disabling and enabling Rainbow triggers an attempt at once and starts the ladder again.

  Background:
    Given an OXO Connect that Rainbow knows

  Rule: After each failure the next attempt is one step later

    Scenario Outline: The delays between attempts, when <obstacle>
      Given <obstacle>
      When Rainbow is enabled in OMC
      And 1 hour passes
      Then the PBX waits 10, 30, 60, 120, 240, 480, 960, 960 seconds after its failures

      Examples:
        | obstacle                              |
        | the firewall is rejecting             |
        | the firewall is blocking              |
        | the PCG refuses the upgrade with 503  |
        | the PCG rejects every login           |

    Scenario: The delays between attempts behind a proxy that refuses
      Given the web proxy is refusing
      And the web proxy is configured in OMC
      When Rainbow is enabled in OMC
      And 1 hour passes
      Then the PBX waits 10, 30, 60, 120, 240, 480, 960, 960 seconds after its failures

  Rule: Disabling and enabling attempts at once and starts the ladder again

    Scenario Outline: Disabled and enabled again by <way> in the middle of a long delay
      Given the firewall is rejecting
      And Rainbow was enabled in OMC
      And 20 minutes have passed
      When Rainbow is disabled and enabled again by <way>
      Then the PBX attempts at once
      And from there the PBX waits 10, 30, 60 seconds after its failures

      Examples:
        | way |
        | OMC |
        | MMC |

  Rule: A success starts the ladder again

    Scenario: A link that was up is lost
      Given the firewall is rejecting
      And Rainbow was enabled in OMC
      And 10 minutes have passed
      And the firewall became permissive
      And the WSS link came up
      When the firewall becomes rejecting and Rainbow drops the PBX
      And 5 minutes pass
      Then since it lost the link the PBX waits 10, 30, 60 seconds after its failures
